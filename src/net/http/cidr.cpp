#include "net/http/cidr.h"

#include <arpa/inet.h>

#include <cstring>

namespace sluice::net::http {
namespace {

constexpr std::uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

// ":567" or nothing.
bool port_or_nothing(std::string_view rest) noexcept {
  if (rest.empty()) return true;
  if (rest.front() != ':' || rest.size() < 2 || rest.size() > 6) return false;
  for (char c : rest.substr(1))
    if (c < '0' || c > '9') return false;
  return true;
}

}  // namespace

bool parse_address(std::string_view text, Address& out) noexcept {
  char copy[kAddressText];
  if (text.empty() || text.size() >= sizeof copy || text.find('\0') != std::string_view::npos) return false;
  std::memcpy(copy, text.data(), text.size());
  copy[text.size()] = '\0';
  std::uint8_t bytes[16];
  if (text.find(':') == std::string_view::npos) {
    std::memcpy(bytes, kMapped, sizeof kMapped);
    if (inet_pton(AF_INET, copy, bytes + 12) != 1) return false;
  } else if (inet_pton(AF_INET6, copy, bytes) != 1) {
    return false;
  }
  std::memcpy(out.bytes, bytes, sizeof bytes);
  return true;
}

bool parse_address_port(std::string_view text, Address& out) noexcept {
  if (!text.empty() && text.front() == '[') {
    const auto close = text.find(']');
    if (close == std::string_view::npos || !port_or_nothing(text.substr(close + 1))) return false;
    const auto inner = text.substr(1, close - 1);
    return inner.find(':') != std::string_view::npos && parse_address(inner, out);
  }
  const auto colon = text.find(':');
  const bool one_colon = colon != std::string_view::npos && text.find(':', colon + 1) == std::string_view::npos;
  if (one_colon) return port_or_nothing(text.substr(colon)) && parse_address(text.substr(0, colon), out);
  return parse_address(text, out);
}

std::string_view format_address(const std::uint8_t* address, char* out) noexcept {
  const bool v4 = std::memcmp(address, kMapped, sizeof kMapped) == 0;
  inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? address + 12 : address, out, kAddressText);
  return out;
}

bool contains(const std::uint8_t* range, unsigned bits, const std::uint8_t* address) noexcept {
  if (bits > 128) return false;
  if (bits > 0 && bits < 96 && std::memcmp(address, kMapped, sizeof kMapped) == 0) return false;
  const std::size_t whole = bits / 8;
  if (std::memcmp(range, address, whole) != 0) return false;
  const unsigned rest = bits % 8;
  return rest == 0 || ((range[whole] ^ address[whole]) >> (8 - rest)) == 0;
}

}  // namespace sluice::net::http
