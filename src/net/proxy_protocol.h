#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/http/cidr.h"

// The PROXY protocol, versions 1 and 2 (HAProxy's doc/proxy-protocol.txt, sections 2.1 and 2.2): a header in front of a
// connection's first byte that says for whom it is made. Bytes in, values out; nothing here waits.
namespace sluice::net::proxy_protocol {

inline constexpr std::size_t kMaxV1 = 107;       // the line, CRLF included
inline constexpr std::size_t kMaxHeader = 4096;  // of version 2, TLVs included

enum class Version : std::uint8_t { v1 = 1, v2 = 2 };

// Both ends of the connection that a header speaks for. IPv4 in its mapped form.
struct Addresses {
  Address source{}, destination{};
  std::uint16_t source_port = 0, destination_port = 0;
  bool operator==(const Addresses&) const = default;
};

// PP2_TYPE_SSL: the TLS that the sender has ended. All empty when it says nothing.
struct Tls {
  bool used = false;         // the client came by TLS
  bool certificate = false;  // and presented one, on this connection or earlier in its session
  bool verified = false;     // which was found good
  std::string_view version, common_name, cipher;
};

struct Header {
  Version version = Version::v1;
  // False: LOCAL, UNKNOWN, or a family and transport other than TCP over IP. The connection's own ends count.
  bool proxied = false;
  Addresses addresses;
  // TLVs of version 2, borrowed from the parsed bytes; empty when absent. Any bytes: escape them before showing them.
  std::string_view alpn, authority, unique_id;
  Tls tls;
};

// `bytes`: everything that has come so far. The size of the header once it is whole, 0 while more is needed; an error
// (Fault::malformed) as soon as the bytes cannot become a header. A CRC32C TLV is checked. Of several TLVs of one type
// the first counts; unknown types are skipped.
Result<std::size_t> parse(std::string_view bytes, Header& out) noexcept;

struct Tlv {
  std::uint8_t type;
  std::string_view value;  // at most 65,535 bytes, kMaxHeader in all
};
inline constexpr std::uint8_t kAlpn = 0x01, kAuthority = 0x02, kCrc32c = 0x03, kNoop = 0x04, kUniqueId = 0x05,
                              kSsl = 0x20, kSslVersion = 0x21, kSslCommonName = 0x22, kSslCipher = 0x23;

// Append a header for `addresses`: TCP4 when both are IPv4, else TCP6.
void append_v1(std::string& out, const Addresses& addresses);
// With a CRC32C when `checksum`.
void append_v2(std::string& out, const Addresses& addresses, std::span<const Tlv> tlvs = {}, bool checksum = false);

}  // namespace sluice::net::proxy_protocol
