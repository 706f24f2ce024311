#include "model/ip.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

namespace sluice::model {

namespace {

constexpr std::size_t kQuad = 12;  // where the four bytes of an IPv4 address stand in its mapped form
constexpr Ip kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

struct Embedding {
  std::array<std::uint8_t, 12> prefix;
  std::size_t bytes;  // of the prefix that count
  std::size_t at;     // where the IPv4 address begins
  std::uint8_t flip;  // each byte of it is stored with these bits turned over
};
constexpr Embedding kEmbeddings[] = {
    {{}, 12, 12, 0},                                    // ::a.b.c.d
    {{0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 12, 12, 0},  // ::ffff:0:a.b.c.d
    {{0, 0x64, 0xff, 0x9b}, 12, 12, 0},                 // 64:ff9b::a.b.c.d
    {{0, 0x64, 0xff, 0x9b, 0, 1}, 6, 12, 0},            // 64:ff9b:1:…:a.b.c.d
    {{0x20, 0x02}, 2, 2, 0},                            // 2002:aabb:ccdd::
    {{0x20, 0x01, 0, 0}, 4, 12, 0xff},                  // 2001:0:…, the client's address inverted
};

}  // namespace

std::optional<Ip> read_ip(std::string_view text) {
  const std::string copy(text);
  if (copy.find('\0') != std::string::npos) return std::nullopt;
  Ip out = kMapped;
  if (::inet_pton(AF_INET, copy.c_str(), out.data() + kQuad) == 1) return out;
  if (::inet_pton(AF_INET6, copy.c_str(), out.data()) == 1) return out;
  return std::nullopt;
}

std::string ip_text(const Ip& ip) {
  char text[INET6_ADDRSTRLEN];
  const bool four = std::equal(kMapped.begin(), kMapped.begin() + kQuad, ip.begin());
  return ::inet_ntop(four ? AF_INET : AF_INET6, four ? ip.data() + kQuad : ip.data(), text, sizeof text);
}

bool contains(const Cidr& range, const Ip& ip) noexcept {
  const std::size_t whole = range.bits / 8U;
  if (std::memcmp(range.bytes, ip.data(), whole) != 0) return false;
  const unsigned rest = range.bits % 8U;
  return rest == 0 || ((range.bytes[whole] ^ ip[whole]) >> (8U - rest)) == 0;
}

std::optional<Ip> embedded_ipv4(const Ip& ip) noexcept {
  for (const auto& e : kEmbeddings) {
    if (std::memcmp(ip.data(), e.prefix.data(), e.bytes) != 0) continue;
    Ip out = kMapped;
    for (std::size_t i = 0; i < 4; ++i) out[kQuad + i] = static_cast<std::uint8_t>(ip[e.at + i] ^ e.flip);
    return out;
  }
  return std::nullopt;
}

}  // namespace sluice::model
