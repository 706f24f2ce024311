#include "net/http/path.h"

#include <cstring>

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

}  // namespace

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
