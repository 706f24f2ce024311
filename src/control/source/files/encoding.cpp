#include "control/source/files/encoding.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice::control {

namespace {

constexpr std::string_view kMark = "\xef\xbb\xbf";

void append_utf8(std::string& out, std::uint32_t c) {
  const auto byte = [&](std::uint32_t b) { out += static_cast<char>(b); };
  if (c < 0x80) return byte(c);
  if (c < 0x800) {
    byte(0xc0 | c >> 6);
  } else {
    if (c < 0x10000) {
      byte(0xe0 | c >> 12);
    } else {
      byte(0xf0 | c >> 18);
      byte(0x80 | (c >> 12 & 0x3f));
    }
    byte(0x80 | (c >> 6 & 0x3f));
  }
  byte(0x80 | (c & 0x3f));
}

// Half a pair of surrogates, and half a unit at the end, become U+FFFD.
std::string from_utf16(std::string_view bytes, bool big_endian) {
  const auto unit = [&](std::size_t at) -> std::uint32_t {
    if (at + 1 >= bytes.size()) return 0xdc00;
    const auto first = static_cast<unsigned char>(bytes[at]), second = static_cast<unsigned char>(bytes[at + 1]);
    return big_endian ? first << 8 | second : second << 8 | first;
  };
  std::string out;
  out.reserve(bytes.size() / 2 + bytes.size() / 8);
  for (std::size_t at = 0; at < bytes.size(); at += 2) {
    std::uint32_t c = unit(at);
    const bool high = c >> 10 == 0x36 && at + 3 < bytes.size() && unit(at + 2) >> 10 == 0x37;
    if (high) c = 0x10000 + ((c & 0x3ff) << 10) + (unit(at += 2) & 0x3ff);
    append_utf8(out, c >> 11 == 0x1b ? 0xfffd : c);
  }
  return out;
}

}  // namespace

std::string to_utf8(std::string& content) {
  using namespace std::string_view_literals;
  const std::string_view bytes = content;
  const std::string_view begin = bytes.substr(0, 4);
  if (begin == "\xff\xfe\0\0"sv || begin == "\0\0\xfe\xff"sv) return "UTF-32";
  if (begin.starts_with("\xff\xfe")) {
    content = from_utf16(bytes.substr(2), false);
  } else if (begin.starts_with("\xfe\xff")) {
    content = from_utf16(bytes.substr(2), true);
  } else if (begin.size() > 1 && (begin[0] == '\0') != (begin[1] == '\0')) {
    return "UTF-16 without a byte order mark";
  }
  for (auto at = content.find('\r'); at != std::string::npos; at = content.find('\r', at + 1))
    if (at + 1 == content.size() || content[at + 1] != '\n') content[at] = '\n';
  std::size_t to = 0, from = 0;
  for (std::size_t at = 0; (at = content.find(kMark, at)) != std::string::npos;) {
    if (at > 0 && content[at - 1] != '\n') {
      at += kMark.size();
      continue;
    }
    std::move(content.begin() + static_cast<std::ptrdiff_t>(from), content.begin() + static_cast<std::ptrdiff_t>(at),
              content.begin() + static_cast<std::ptrdiff_t>(to));
    to += at - from;
    from = at += kMark.size();
  }
  content.erase(to, from - to);
  return {};
}

}  // namespace sluice::control
