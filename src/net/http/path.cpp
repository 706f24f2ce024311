#include "net/http/path.h"

#include <cstdint>
#include <cstring>

#include "base/percent.h"
#include "base/strings.h"
#include "net/http/grammar.h"

namespace sluice::net::http {
namespace {

std::unexpected<Error> bad(const char* why) {
  return std::unexpected(Error{Fault::malformed, Whose::downstream, Retry::no, 400, why});
}

int hex(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// `at` stands behind a slash: does something there ask for a change? Another slash, or a segment "." or "..".
bool changes(std::string_view path, std::size_t at) noexcept {
  if (at >= path.size()) return false;
  if (path[at] == '/') return true;
  if (path[at] != '.') return false;
  std::size_t end = at + 1;
  if (end < path.size() && path[end] == '.') ++end;
  return end == path.size() || path[end] == '/';
}

bool is_normal(std::string_view path) noexcept {
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '%') return false;
    if (path[i] == '/' && changes(path, i + 1)) return false;
  }
  return true;
}

// Builds the normal form a byte at a time; every segment is judged when it ends.
class Writer {
 public:
  explicit Writer(char* out) noexcept : out_(out) { out_[size_++] = '/'; }

  void put(char c) noexcept { out_[size_++] = c; }

  // The segment ended, with a slash or with the path. False: it climbs above the root.
  bool end_segment(bool slash) noexcept {
    const std::string_view segment(out_ + start_, size_ - start_);
    if (segment == "..") {
      if (start_ == 1) return false;
      std::size_t parent = start_ - 1;  // the slash before this segment
      while (out_[parent - 1] != '/') --parent;
      start_ = size_ = parent;
    } else if (segment == ".") {
      size_ = start_;
    } else if (slash && !segment.empty()) {
      out_[size_++] = '/';
      start_ = size_;
    }
    return true;
  }

  std::string_view text() const noexcept { return {out_, size_}; }

 private:
  char* out_;
  std::size_t size_ = 0;
  std::size_t start_ = 1;  // of the current segment: behind the last slash
};

int escaped(std::string_view text, std::size_t at) noexcept {
  if (at + 2 >= text.size() || text[at] != '%') return -1;
  const int high = hex(text[at + 1]), low = hex(text[at + 2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

// pchar of RFC 3986 section 3.3 and the slash. The semicolon begins parameters for some readers.
constexpr auto kSpelled = letters_digits_and("-._~!$&'()*+,=:@/");

// Of a character beyond ASCII that some readers turn into one that divides a path, or trim from its end: by tables of
// code pages (Unicode's best-fit tables for Windows, and those that have a currency sign in place of the backslash), by
// compatibility forms (NFKC, UAX 15), as White_Space (PropList.txt) or as a control character of C1. Fullwidth and
// small forms, signs that look like a slash, a dot, a semicolon or a percent sign, and spaces. Letters that lose their
// accent are not among them.
bool becomes_ascii(std::string_view utf8) noexcept {
  static constexpr std::string_view kSigns[] = {
      "\xc2\xa0",      // no-break space
      "\xc2\xa5",      // yen: a backslash
      "\xcd\xbe",      // Greek question mark: a semicolon
      "\xd9\xaa",      // Arabic percent sign
      "\xe1\x9a\x80",  // Ogham space mark
      "\xe1\xa0\x8e",  // Mongolian vowel separator: a space up to Unicode 6.2
      "\xe2\x80\xa4",  // one dot leader
      "\xe2\x80\xa5",  // two dot leader
      "\xe2\x80\xa6",  // ellipsis: three dots
      "\xe2\x80\xa8",  // line separator
      "\xe2\x80\xa9",  // paragraph separator
      "\xe2\x80\xaf",  // narrow no-break space
      "\xe2\x81\x9f",  // mathematical space
      "\xe2\x81\x84",  // fraction slash
      "\xe2\x82\xa9",  // won: a backslash
      "\xe2\x83\xa5",  // reverse solidus overlay
      "\xe2\x88\x95",  // division slash
      "\xe2\x88\x96",  // set minus: a backslash
      "\xe3\x80\x80",  // ideographic space
      "\xef\xbb\xbf"   // byte order mark: white space of ECMAScript
  };
  for (const auto sign : kSigns)
    if (utf8 == sign) return true;
  if (utf8.size() == 2 && utf8[0] == '\xc2' && byte(utf8[1]) <= 0x9f) return true;  // C1
  if (utf8.starts_with("\xe2\x80") && byte(utf8[2]) <= 0x8a) return true;           // spaces of all widths
  if (utf8.starts_with("\xef\xb9") && byte(utf8[2]) >= 0x90 && byte(utf8[2]) <= 0xab) return true;  // small forms
  return utf8.size() == 3 && utf8[0] == '\xef' && (utf8[1] == '\xbc' || (utf8[1] == '\xbd' && utf8[2] <= '\x9e'));
}

// What an escape at `at` may mean to others, or null. `next`: behind it.
const char* doubtful_escape(std::string_view path, std::size_t at, std::size_t& next) noexcept {
  const int value = escaped(path, at);
  next = at + 3;
  switch (value) {
    case '/':
      return "an encoded slash";
    case '\\':
      return "an encoded backslash";
    case '.':
      return "an encoded dot";
    case ';':
      return "an encoded semicolon";
    case '?':
    case '#':
      return "an encoded question mark or number sign";
    case '%':
      return "an encoded percent sign";
    default:
      break;
  }
  if (value < 0x20 || value == 0x7f) return "an encoded control character";
  if (value < 0x80) return nullptr;
  char bytes[4];
  std::size_t size = 0;
  for (std::size_t i = at; size < sizeof bytes; i += 3) {
    const int byte = escaped(path, i);
    if (byte < 0x80) break;
    bytes[size++] = static_cast<char>(byte);
  }
  const std::size_t length = utf8_length({bytes, size});
  if (length == 0) return "encoded bytes that are no UTF-8";
  if (becomes_ascii({bytes, length})) return "a character that some readers turn into an ASCII one";
  next = at + 3 * length;
  return nullptr;
}

}  // namespace

const char* ambiguity(std::string_view target) noexcept {
  const auto path = target.substr(0, target.find('?'));
  for (std::size_t i = 0; i < path.size();) {
    std::size_t next = i + 1;
    switch (path[i]) {
      case '\\':
        return "a backslash";
      case ';':
        return "a semicolon";
      case '/':
        if (next < path.size() && path[next] == '/') return "an empty segment";
        break;
      case '%':
        if (const char* why = doubtful_escape(path, i, next)) return why;
        break;
      default:
        break;
    }
    const bool ends = next >= path.size() || path[next] == '/';
    if (ends && path[i] == '.') return "a segment that is or ends in a dot";
    if (ends && escaped(path, i) == ' ') return "a segment that ends in a space";
    i = next;
  }
  return nullptr;
}

void append_spelled(std::string_view path, std::string& out) {
  append_encoded(path, out, [](std::uint8_t byte) { return kSpelled[byte]; });
}

void append_escaped(std::string_view path, std::string& out) {
  static constexpr auto kEscaped = letters_digits_and("-._~!$&'()*+,=:@/;[]");
  append_encoded(path, out, [](std::uint8_t byte) { return kEscaped[byte]; });
}

Result<std::string_view> normalise_path(std::string_view target, char* out) {
  if (target.empty() || target.front() != '/') return bad("path: does not start with a slash");
  const auto* query = static_cast<const char*>(std::memchr(target.data(), '?', target.size()));
  const auto path = query ? target.substr(0, static_cast<std::size_t>(query - target.data())) : target;
  if (is_normal(path)) return path;

  Writer writer(out);
  for (std::size_t i = 1; i < path.size(); ++i) {
    char c = path[i];
    if (c == '%') {
      const int high = i + 1 < path.size() ? hex(path[i + 1]) : -1;
      const int low = i + 2 < path.size() ? hex(path[i + 2]) : -1;
      if (high < 0 || low < 0) return bad("path: a percent sign without two hexadecimal digits");
      c = static_cast<char>(high * 16 + low);
      if (c == '\0') return bad("path: an encoded NUL");
      i += 2;
    }
    if (c != '/')
      writer.put(c);
    else if (!writer.end_segment(true))
      return bad("path: climbs above the root");
  }
  if (!writer.end_segment(false)) return bad("path: climbs above the root");
  return writer.text();
}

}  // namespace sluice::net::http
