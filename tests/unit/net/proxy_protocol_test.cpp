#include "net/proxy_protocol.h"

#include <gtest/gtest.h>

#include <vector>

namespace sluice::net::proxy_protocol {
namespace {

using std::string_literals::operator""s;

Address address(std::string_view text) {
  Address a{};
  EXPECT_TRUE(http::parse_address(text, a)) << text;
  return a;
}
Addresses ends(std::string_view source, std::uint16_t source_port, std::string_view destination,
               std::uint16_t destination_port) {
  return {address(source), address(destination), source_port, destination_port};
}
const Addresses kFour = ends("192.168.0.1", 56324, "192.168.0.11", 443);
const Addresses kSix = ends("2001:db8::1", 1111, "2001:db8::2", 80);

// Feeds it byte by byte: nothing before the end may be final, and nothing behind it may matter.
Result<std::size_t> parse_all(const std::string& bytes, Header& out) {
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    const auto r = parse(std::string_view(bytes).substr(0, n), out);
    if (!r || *r != 0) return r;
  }
  return parse(bytes, out);
}
// The views of `out` point into `bytes`.
void expect_header(const std::string& bytes, Header& out) {
  Header other;
  const auto more = parse(bytes + "\r\nGET /", other);
  ASSERT_TRUE(more);
  EXPECT_EQ(*more, bytes.size()) << bytes;
  const auto whole = parse_all(bytes, out);
  ASSERT_TRUE(whole) << bytes << ": " << whole.error().detail;
  EXPECT_EQ(*whole, bytes.size()) << bytes;
}

std::string v2(int version_command, int family, const std::string& rest) {
  return "\r\n\r\n\0\r\nQUIT\n"s + static_cast<char>(version_command) + static_cast<char>(family) +
         static_cast<char>(rest.size() >> 8) + static_cast<char>(rest.size() & 0xff) + rest;
}
std::string tlv(int type, const std::string& value) {
  return static_cast<char>(type) + std::string(1, static_cast<char>(value.size() >> 8)) +
         static_cast<char>(value.size() & 0xff) + value;
}
const std::string kTcp4 = "\xc0\xa8\x00\x01\xc0\xa8\x00\x0b\xdc\x04\x01\xbb"s;  // kFour

TEST(ProxyV1, LinesOfTheSpecification) {
  Header h;
  expect_header("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n", h);
  EXPECT_TRUE(h.proxied);
  EXPECT_EQ(h.version, Version::v1);
  EXPECT_EQ(h.addresses, kFour);
  expect_header("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", h);
  EXPECT_EQ(h.addresses, ends("255.255.255.255", 65535, "255.255.255.255", 65535));
  expect_header(
      "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff FFFF:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n", h);
  EXPECT_EQ(h.addresses.destination, address("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
  expect_header("PROXY TCP6 2001:db8::1 2001:db8::2 1111 80\r\n", h);
  EXPECT_EQ(h.addresses, kSix);
  expect_header("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", h);
  EXPECT_TRUE(h.proxied);
}

TEST(ProxyV1, UnknownIsValidAndSaysNothing) {
  for (
      const auto& line :
      {"PROXY UNKNOWN\r\n"s, "PROXY UNKNOWN anything at  all\r\n"s,
       "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"s}) {
    Header h;
    expect_header(line, h);
    EXPECT_FALSE(h.proxied);
  }
  EXPECT_EQ(sizeof "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n" - 1,
            kMaxV1);
}

TEST(ProxyV1, Malformed) {
  const std::vector<std::string> bad = {
      "GET / HTTP/1.1\r\n",
      "PROXYTCP4 1.2.3.4 5.6.7.8 1 2\r\n",
      "PROXY\r\n",
      "proxy TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
      "PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
      "PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n",
      "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n",
      "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n",
      "PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
      "PROXY TCP4 1.2.3.4 5.6.7.8 1 \r\n",
      "PROXY TCP4 1.2.3.4 5.6.7.8\r\n",
      "PROXY TCP4\r\n",
      "PROXY \r\n",
      "PROXY UNKNOWNX\r\n",
      "PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n",
      "PROXY TCP5 1.2.3.4 5.6.7.8 1 2\r\n",
      "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n",
      "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r",
      "PROXY TCP4 1.2.3.4\r5.6.7.8 1 2\r\n",
      "PROXY UNKNOWN a\nb\r\n",
      "PROXY TCP4 1.2.3.4 5.6.7.8\t1 2\r\n",
      "PROXY TCP4 01.2.3.4 5.6.7.8 1 2\r\n",
      "PROXY TCP4 1.2.3 5.6.7.8 1 2\r\n",
      "PROXY TCP4 1.2.3.256 5.6.7.8 1 2\r\n",
      "PROXY TCP4 ::1 ::2 1 2\r\n",
      "PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n",
      "PROXY TCP6 2001:db8::1::2 ::2 1 2\r\n",
      "PROXY TCP6 [::1] ::2 1 2\r\n",
      "PROXY TCP6 ::1 12345::2 1 2\r\n",
      "PROXY TCP4 1.2.3.4 5.6.7.8 65536 2\r\n",
      "PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n",
      "PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n",
      "PROXY TCP4 1.2.3.4 5.6.7.8 1 00\r\n",
      "PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n",
      "PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n",
      "PROXY TCP4 1.2.3.4 5.6.7.8 1x 2\r\n",
      "PROXY TCP4 1.2.3.4 5.6.7.8 0x1 2\r\n",
      "PROXY UNKNOWN " + std::string(200, 'x'),
      "PROXY UNKNOWN " + std::string(92, 'x') + "\r\n",
  };
  for (const auto& line : bad) {
    Header h;
    const auto r = parse(line + "GET / HTTP/1.1", h);
    ASSERT_FALSE(r) << line;
    EXPECT_EQ(r.error().fault, Fault::malformed);
    EXPECT_EQ(r.error().whose, Whose::downstream);
  }
}

TEST(ProxyV1, IsRefusedAsSoonAsItCannotBe) {
  Header h;
  for (const auto& bytes :
       {"G"s, "PROXX"s, "\x16"s, "\r\r"s, "\r\n\r\n\0\r\nQUIX"s, "PROXY UNKNOWN" + std::string(94, 'x')})
    EXPECT_FALSE(parse(bytes, h)) << bytes;
  for (const auto& bytes :
       {""s, "P"s, "PROXY"s, "\r"s, "\r\n\r\n\0\r\nQUIT\n"s, "PROXY UNKNOWN" + std::string(93, 'x')}) {
    const auto r = parse(bytes, h);
    ASSERT_TRUE(r) << bytes;
    EXPECT_EQ(*r, 0U) << bytes;
  }
}

TEST(ProxyV2, Addresses) {
  Header h;
  expect_header(v2(0x21, 0x11, kTcp4), h);
  EXPECT_EQ(h.version, Version::v2);
  EXPECT_TRUE(h.proxied);
  EXPECT_EQ(h.addresses, kFour);
  std::string six;
  for (const Address& a : {kSix.source, kSix.destination}) six.append(reinterpret_cast<const char*>(a.bytes), 16);
  six += "\x04\x57\x00\x50"s;
  expect_header(v2(0x21, 0x21, six), h);
  EXPECT_TRUE(h.proxied);
  EXPECT_EQ(h.addresses, kSix);
}

TEST(ProxyV2, WhatCarriesNoTcpAddressesIsValid) {
  const std::vector<std::pair<int, std::string>> rows = {
      {0x00, ""},
      {0x01, ""},
      {0x10, kTcp4},
      {0x12, kTcp4},                  // UDP
      {0x22, std::string(36, 'x')},   // UDP
      {0x31, std::string(216, 'x')},  // UNIX stream
      {0x32, std::string(216, 'x')},
  };
  for (const auto& [family, rest] : rows) {
    Header h;
    expect_header(v2(0x21, family, rest), h);
    EXPECT_FALSE(h.proxied) << family;
  }
}

TEST(ProxyV2, LocalSkipsEverything) {
  for (int family : {0x00, 0x11, 0x21, 0x31, 0x77, 0xff})
    for (const auto& rest : {""s, kTcp4, "\x01\xff\xff"s, std::string(500, '\xff')}) {
      Header h;
      expect_header(v2(0x20, family, rest), h);
      EXPECT_FALSE(h.proxied);
      EXPECT_TRUE(h.alpn.empty());
    }
}

TEST(ProxyV2, Tlvs) {
  const auto ssl = tlv(0x20, "\x05\0\0\0\0"s + tlv(0x21, "TLSv1.3") + tlv(0x22, "client one") +
                                 tlv(0x23, "TLS_AES_128_GCM_SHA256") + tlv(0x24, "RSA-SHA256"));
  const auto bytes = v2(0x21, 0x11,
                        kTcp4 + tlv(0x04, "padding") + tlv(0x01, "h2") + tlv(0x02, "shop.example") +
                            tlv(0x05, "\x01\x02\xff"s) + ssl + tlv(0xea, "\x01vpce-1") + tlv(0x02, "second"));
  Header h;
  expect_header(bytes, h);
  EXPECT_EQ(h.alpn, "h2");
  EXPECT_EQ(h.authority, "shop.example");
  EXPECT_EQ(h.unique_id, "\x01\x02\xff");
  EXPECT_TRUE(h.tls.used);
  EXPECT_TRUE(h.tls.certificate);
  EXPECT_TRUE(h.tls.verified);
  EXPECT_EQ(h.tls.version, "TLSv1.3");
  EXPECT_EQ(h.tls.common_name, "client one");
  EXPECT_EQ(h.tls.cipher, "TLS_AES_128_GCM_SHA256");

  const auto next = v2(0x21, 0x11, kTcp4 + tlv(0x20, "\x01\0\0\0\x01"s + tlv(0x21, "TLSv1.2")));
  expect_header(next, h);
  EXPECT_TRUE(h.tls.used);
  EXPECT_FALSE(h.tls.certificate);
  EXPECT_FALSE(h.tls.verified);
  EXPECT_TRUE(h.authority.empty());
  // A certificate that was not found good.
  expect_header(v2(0x21, 0x11, kTcp4 + tlv(0x20, "\x07\0\0\0\x12"s)), h);
  EXPECT_TRUE(h.tls.certificate);
  EXPECT_FALSE(h.tls.verified);
}

TEST(ProxyV2, Checksum) {
  // As HAProxy 2.6 sends it (send-proxy-v2, proxy-v2-options crc32c,unique-id).
  const auto haproxy =
      v2(0x21, 0x11, "\x7f\0\0\x01\x7f\0\0\x01\x9c\x42\x4a\x37"s + tlv(0x03, "\x3a\x53\x12\x63") + tlv(0x05, ""));
  Header h;
  expect_header(haproxy, h);
  EXPECT_EQ(h.addresses, ends("127.0.0.1", 40002, "127.0.0.1", 18999));
  std::string sealed;
  append_v2(sealed, kFour, {}, true);
  expect_header(sealed, h);
  EXPECT_EQ(h.addresses, kFour);
  for (std::size_t i = 0; i < sealed.size(); ++i)
    for (int bit = 0; bit < 8; ++bit) {
      std::string broken = sealed;
      broken[i] = static_cast<char>(broken[i] ^ 1 << bit);
      Header other;
      const auto r = parse(broken, other);
      // Only what makes it LOCAL, longer, or hides the TLV itself can go unseen.
      if (r && *r == broken.size() && other.proxied) {
        EXPECT_EQ(i, 28U) << "byte " << i << " bit " << bit;
      }
    }
  EXPECT_FALSE(parse(v2(0x21, 0x11, kTcp4 + tlv(0x03, "abc")), h));
  EXPECT_FALSE(parse(v2(0x21, 0x11, kTcp4 + tlv(0x03, "abcd")), h));
}

TEST(ProxyV2, Malformed) {
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"version 1", v2(0x11, 0x11, kTcp4)},
      {"version 3", v2(0x31, 0x11, kTcp4)},
      {"command 2", v2(0x22, 0x11, kTcp4)},
      {"command 15", v2(0x2f, 0x11, kTcp4)},
      {"family 4", v2(0x21, 0x41, kTcp4)},
      {"transport 3", v2(0x21, 0x13, kTcp4)},
      {"TCP4 too short", v2(0x21, 0x11, kTcp4.substr(1))},
      {"TCP6 with the addresses of TCP4", v2(0x21, 0x21, kTcp4)},
      {"UNIX too short", v2(0x21, 0x31, std::string(215, 'x'))},
      {"a TLV without a length", v2(0x21, 0x11, kTcp4 + "\x01"s)},
      {"a TLV with half a length", v2(0x21, 0x11, kTcp4 + "\x01\x00"s)},
      {"a TLV longer than the rest", v2(0x21, 0x11, kTcp4 + "\x01\x00\x03h2"s)},
      {"an unspecified family with bytes that are no TLVs", v2(0x21, 0x00, "\x01\xff\xff"s)},
      {"an SSL TLV too short", v2(0x21, 0x11, kTcp4 + tlv(0x20, "\x01\0\0\0"s))},
      {"an SSL TLV with a broken one inside", v2(0x21, 0x11, kTcp4 + tlv(0x20, "\x01\0\0\0\0\x21\x00\x09x"s))},
      {"a unique id of 129 bytes", v2(0x21, 0x11, kTcp4 + tlv(0x05, std::string(129, 'u')))},
      {"an authority of 256 bytes", v2(0x21, 0x11, kTcp4 + tlv(0x02, std::string(256, 'a')))},
      {"two checksums", v2(0x21, 0x11, kTcp4 + tlv(0x03, "\0\0\0\0"s) + tlv(0x03, "\0\0\0\0"s))},
  };
  for (const auto& [what, bytes] : bad) {
    Header h;
    const auto r = parse(bytes, h);
    EXPECT_FALSE(r) << what;
  }
}

TEST(ProxyV2, LengthIsBoundedBeforeItComes) {
  Header h;
  const auto longest = v2(0x21, 0x11, kTcp4 + tlv(0x04, std::string(kMaxHeader - 16 - 12 - 3, 'n')));
  ASSERT_EQ(longest.size(), kMaxHeader);
  expect_header(longest, h);
  const auto r = parse("\r\n\r\n\0\r\nQUIT\n\x21\x11\x0f\xf1"s, h);
  EXPECT_FALSE(r);
}

TEST(ProxyOut, WhatIsWrittenIsReadBack) {
  const std::vector<Addresses> all = {kFour, kSix, ends("1.2.3.4", 1, "2001:db8::2", 2),
                                      ends("::1", 0, "10.0.0.1", 65535)};
  for (const auto& a : all) {
    Header h;
    std::string line;
    append_v1(line, a);
    EXPECT_LE(line.size(), kMaxV1);
    expect_header(line, h);
    EXPECT_EQ(h.addresses, a) << line;
    for (bool checksum : {false, true}) {
      const Tlv tlvs[] = {{kAuthority, "shop.example"}, {kAlpn, "h2"}};
      std::string out = "before";
      append_v2(out, a, tlvs, checksum);
      const auto header = out.substr(6);
      expect_header(header, h);
      EXPECT_EQ(h.addresses, a);
      EXPECT_EQ(h.authority, "shop.example");
      EXPECT_EQ(h.alpn, "h2");
    }
  }
  std::string line;
  append_v1(line, kFour);
  EXPECT_EQ(line, "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n");
  std::string binary;
  append_v2(binary, kFour);
  EXPECT_EQ(binary, v2(0x21, 0x11, kTcp4));
}

}  // namespace
}  // namespace sluice::net::proxy_protocol
