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
  std::size_t bytes;               // of the prefix that count
  std::array<std::uint8_t, 4> at;  // where the bytes of the IPv4 address stand
  std::uint8_t flip = 0;           // each byte of it is stored with these bits turned over
  bool perhaps = false;            // one of several readings: nothing where it begins with 0
};
constexpr std::array<std::uint8_t, 4> kLast{12, 13, 14, 15};
constexpr Embedding kEmbeddings[] = {
    {{}, 12, kLast},                                    // ::a.b.c.d
    {{0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 12, kLast},  // ::ffff:0:a.b.c.d
    {{0, 0x64, 0xff, 0x9b}, 12, kLast},                 // 64:ff9b::a.b.c.d
    // 64:ff9b:1::/48 is split as its operator likes; byte 8 is left out (RFC 6052 section 2.2)
    {{0, 0x64, 0xff, 0x9b, 0, 1}, 6, kLast, 0, true},
    {{0, 0x64, 0xff, 0x9b, 0, 1}, 6, {6, 7, 9, 10}, 0, true},
    {{0, 0x64, 0xff, 0x9b, 0, 1}, 6, {7, 9, 10, 11}, 0, true},
    {{0, 0x64, 0xff, 0x9b, 0, 1}, 6, {9, 10, 11, 12}, 0, true},
    {{0x20, 0x02}, 2, {2, 3, 4, 5}},       // 2002:aabb:ccdd::
    {{0x20, 0x01, 0, 0}, 4, kLast, 0xff},  // 2001:0:…, the client's address inverted
};
// Interface identifiers of ISATAP, behind any prefix: ::0:5efe:a.b.c.d and ::200:5efe:a.b.c.d.
constexpr std::size_t kIdentifier = 8;
constexpr std::uint8_t kIsatap[] = {0, 0, 0x5e, 0xfe}, kGlobalIsatap[] = {2, 0, 0x5e, 0xfe};

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

EmbeddedIps embedded_ipv4(const Ip& ip) noexcept {
  EmbeddedIps out;
  const auto read = [&](const std::array<std::uint8_t, 4>& at, std::uint8_t flip) {
    Ip four = kMapped;
    for (std::size_t i = 0; i < 4; ++i) four[kQuad + i] = static_cast<std::uint8_t>(ip[at[i]] ^ flip);
    return four;
  };
  bool split = false;
  for (const auto& e : kEmbeddings) {
    if (std::memcmp(ip.data(), e.prefix.data(), e.bytes) != 0) continue;
    const Ip four = read(e.at, e.flip);
    split = split || e.perhaps;
    if (!e.perhaps || four[kQuad] != 0) out.add(four);
  }
  if (split && out.empty()) out.add(kMapped);  // 0.0.0.0, whichever way it is read
  const auto* identifier = ip.data() + kIdentifier;
  if (std::memcmp(identifier, kIsatap, sizeof kIsatap) == 0 ||
      std::memcmp(identifier, kGlobalIsatap, sizeof kGlobalIsatap) == 0)
    out.add(read(kLast, 0));
  return out;
}

}  // namespace sluice::model
