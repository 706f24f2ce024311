#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice {

// RFC 3986 section 2.1: appends `text`, with each byte as %XX for which `stands(std::uint8_t)` is false.
template <class Stands>
void append_encoded(std::string_view text, std::string& out, Stands&& stands) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  for (const char c : text) {
    const auto byte = static_cast<std::uint8_t>(c);
    if (stands(byte)) {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
}

}  // namespace sluice
