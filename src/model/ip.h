#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "model/options.h"

// IP addresses as values. IPv4 is kept in its IPv4-mapped form (RFC 4291 section 2.5.5.2), so that one comparison
// serves both families, and every spelling of an address is the same value.
namespace sluice::model {

using Ip = std::array<std::uint8_t, 16>;

// An IPv4 dotted quad or an IPv6 literal, without brackets, zone or port.
std::optional<Ip> read_ip(std::string_view text);
std::string ip_text(const Ip& ip);
bool contains(const Cidr& range, const Ip& ip) noexcept;

// The IPv4 addresses that a gateway on the way may take an IPv6 address for, in their mapped form: IPv4-compatible (RFC
// 4291 section 2.5.5.1), IPv4-translated (RFC 2765 section 2.1), NAT64 (RFC 6052 section 2.2, RFC 8215), 6to4 (RFC 3056
// section 2), Teredo (RFC 4380 section 4) and ISATAP (RFC 5214 section 6.1). Empty where there is none; several where
// only the gateway's operator knows how long its prefix is.
class EmbeddedIps {
 public:
  const Ip* begin() const noexcept { return all_.data(); }
  const Ip* end() const noexcept { return all_.data() + count_; }
  bool empty() const noexcept { return count_ == 0; }
  void add(const Ip& ip) noexcept { all_[count_++] = ip; }

  static constexpr std::size_t kMost = 5;

 private:
  std::array<Ip, kMost> all_{};
  std::size_t count_ = 0;
};
EmbeddedIps embedded_ipv4(const Ip& ip) noexcept;

}  // namespace sluice::model
