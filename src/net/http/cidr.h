#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

// IP addresses as 16 bytes and ranges of them. IPv4 is kept in its IPv4-mapped form (RFC 4291 section 2.5.5.2), so that
// one comparison serves both families. Nothing here allocates.
namespace sluice::net {

struct Address {
  std::uint8_t bytes[16];
  bool operator==(const Address&) const = default;
};

namespace http {

inline constexpr std::size_t kAddressText = 46;  // room for any address in text, as INET6_ADDRSTRLEN

// Reads an IPv4 dotted quad (no leading zeros, four parts) or an IPv6 address (RFC 4291 section 2.2), without brackets,
// zone or port. False: it is neither, and `out` is untouched.
bool parse_address(std::string_view text, Address& out) noexcept;

// As parse_address, but also takes what proxies write into X-Forwarded-For: "1.2.3.4:567", "[::1]", "[::1]:567".
bool parse_address_port(std::string_view text, Address& out) noexcept;

// Writes the address to `out`, which holds kAddressText bytes, and returns its view: dotted quad for IPv4, RFC 5952 for
// IPv6.
std::string_view format_address(const std::uint8_t* address, char* out) noexcept;
inline std::string_view format_address(const Address& address, char* out) noexcept {
  return format_address(address.bytes, out);
}

// Does the range of `bits` (0…128, counted in the 16-byte form) that starts at `range` hold `address`? Both point at 16
// bytes. 0 bits hold every address of both families; a range of IPv6 addresses otherwise holds none of IPv4, though
// their mapped form may lie within it.
bool contains(const std::uint8_t* range, unsigned bits, const std::uint8_t* address) noexcept;

}  // namespace http
}  // namespace sluice::net
