#include "net/proxy_protocol.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <utility>

namespace sluice::net::proxy_protocol {

namespace {

using std::string_view_literals::operator""sv;

constexpr std::string_view kV1 = "PROXY ";
constexpr std::string_view kV2 = "\r\n\r\n\0\r\nQUIT\n"sv;
constexpr std::size_t kFixed = 16;  // signature, version and command, family and transport, length
constexpr std::uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

std::unexpected<Error> bad(const char* detail) {
  return std::unexpected(Error{Fault::malformed, Whose::downstream, Retry::no, 0, detail});
}

bool is_ipv4(const Address& a) {
  return std::memcmp(a.bytes, kMapped, sizeof kMapped) == 0;
}

std::uint8_t byte_at(std::string_view s, std::size_t at) {
  return static_cast<std::uint8_t>(s[at]);
}
std::uint16_t number16(std::string_view s, std::size_t at) {
  return static_cast<std::uint16_t>(byte_at(s, at) << 8 | byte_at(s, at + 1));
}
void append16(std::string& out, std::size_t n) {
  out += static_cast<char>(n >> 8);
  out += static_cast<char>(n & 0xff);
}

// RFC 4960 appendix B. The four bytes at `hole` count as zero; npos: there are none.
std::uint32_t crc32c(std::string_view bytes, std::size_t hole) {
  static constexpr auto kTable = [] {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t c = i;
      for (int bit = 0; bit < 8; ++bit) c = c & 1 ? c >> 1 ^ 0x82f63b78U : c >> 1;
      table[i] = c;
    }
    return table;
  }();
  std::uint32_t crc = ~0U;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const std::uint8_t b = i >= hole && i - hole < 4 ? 0 : byte_at(bytes, i);
    crc = kTable[(crc ^ b) & 0xff] ^ crc >> 8;
  }
  return ~crc;
}

// ---- version 1

// What stands before the next space, which is taken too; the rest when there is none.
std::string_view next_word(std::string_view& line) {
  const auto space = line.find(' ');
  const auto word = line.substr(0, space);
  line.remove_prefix(space == std::string_view::npos ? line.size() : space + 1);
  return word;
}

bool read_port(std::string_view text, std::uint16_t& out) {
  if (text.empty() || (text.size() > 1 && text.front() == '0')) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && end == text.data() + text.size();
}

bool read_address(std::string_view text, bool v6, Address& out) {
  return (text.find(':') != std::string_view::npos) == v6 && http::parse_address(text, out);
}

Result<std::size_t> parse_v1(std::string_view bytes, Header& out) {
  const auto known = std::min(bytes.size(), kV1.size());
  if (bytes.substr(0, known) != kV1.substr(0, known)) return bad("does not begin with a PROXY header");
  const auto window = bytes.substr(0, kMaxV1);
  const auto end = window.find_first_of("\r\n");
  if (end == std::string_view::npos || end + 1 == window.size()) {
    if (bytes.size() >= kMaxV1 || (end != std::string_view::npos && window[end] == '\n'))
      return bad("a PROXY line without CRLF in its first 107 bytes");
    return 0;
  }
  if (window.substr(end, 2) != "\r\n") return bad("a PROXY line that does not end with CRLF");
  out = {};
  auto line = window.substr(kV1.size(), end - kV1.size());
  const auto size = end + 2;
  const auto family = next_word(line);
  if (family == "UNKNOWN") return size;
  const bool v6 = family == "TCP6";
  if (!v6 && family != "TCP4") return bad("a PROXY line of another family than TCP4, TCP6 and UNKNOWN");
  auto& a = out.addresses;
  if (!read_address(next_word(line), v6, a.source) || !read_address(next_word(line), v6, a.destination))
    return bad("a PROXY line with an address that its family does not have");
  if (!read_port(next_word(line), a.source_port)) return bad("a PROXY line with a port that is none");
  // The last word ends the line: a space behind it would have been taken.
  if (window[end - 1] == ' ' || !read_port(next_word(line), a.destination_port) || !line.empty())
    return bad("a PROXY line with a port that is none");
  out.proxied = true;
  return size;
}

// ---- version 2

// Walks through the TLVs in `rest`; false: one is longer than what is left.
template <class F>
bool for_each_tlv(std::string_view rest, F&& fn) {
  while (!rest.empty()) {
    if (rest.size() < 3) return false;
    const auto size = number16(rest, 1);
    if (rest.size() - 3u < size) return false;
    if (!fn(byte_at(rest, 0), rest.substr(3, size))) return false;
    rest.remove_prefix(3u + size);
  }
  return true;
}

void first_of(std::string_view& member, std::string_view value) {
  if (!member.data()) member = value;
}

bool read_ssl(std::string_view value, Tls& tls) {
  if (value.size() < 5) return false;
  const auto flags = byte_at(value, 0);
  tls.used = flags & 0x01;
  tls.certificate = flags & 0x06;
  tls.verified = tls.certificate && value.substr(1, 4) == "\0\0\0\0"sv;
  return for_each_tlv(value.substr(5), [&](std::uint8_t type, std::string_view sub) {
    if (type == kSslVersion) first_of(tls.version, sub);
    if (type == kSslCommonName) first_of(tls.common_name, sub);
    if (type == kSslCipher) first_of(tls.cipher, sub);
    return true;
  });
}

bool read_tlvs(std::string_view header, std::size_t from, Header& out) {
  bool checked = false, ssl = false;
  return for_each_tlv(header.substr(from), [&](std::uint8_t type, std::string_view value) {
    switch (type) {
      case kAlpn:
        first_of(out.alpn, value);
        return true;
      case kAuthority:
        first_of(out.authority, value);
        return value.size() <= 255;
      case kUniqueId:
        first_of(out.unique_id, value);
        return value.size() <= 128;
      case kSsl:
        return std::exchange(ssl, true) || read_ssl(value, out.tls);
      case kCrc32c: {
        if (value.size() != 4 || std::exchange(checked, true)) return false;
        const std::uint32_t told = static_cast<std::uint32_t>(number16(value, 0)) << 16 | number16(value, 2);
        return told == crc32c(header, static_cast<std::size_t>(value.data() - header.data()));
      }
      default:
        return true;
    }
  });
}

Result<std::size_t> parse_v2(std::string_view bytes, Header& out) {
  const auto known = std::min(bytes.size(), kV2.size());
  if (bytes.substr(0, known) != kV2.substr(0, known)) return bad("does not begin with a PROXY header");
  if (bytes.size() > 12 && byte_at(bytes, 12) >> 4 != 2) return bad("a PROXY header of another version than 1 and 2");
  const auto command = bytes.size() > 12 ? byte_at(bytes, 12) & 0x0f : 0;
  if (command > 1) return bad("a PROXY header with another command than LOCAL and PROXY");
  if (bytes.size() < kFixed) return 0;
  const std::size_t size = kFixed + number16(bytes, 14);
  if (size > kMaxHeader) return bad("a PROXY header longer than 4096 bytes");
  if (bytes.size() < size) return 0;

  out = {};
  out.version = Version::v2;
  if (command == 0) return size;  // LOCAL: whatever follows is to be skipped
  const auto family = byte_at(bytes, 13) >> 4, transport = byte_at(bytes, 13) & 0x0f;
  if (family > 3 || transport > 2) return bad("a PROXY header of an unknown family or transport");
  static constexpr std::size_t kAddressSize[] = {0, 4, 16, 108}, kPorts[] = {0, 2, 2, 0};
  const std::size_t each = kAddressSize[family], block = 2 * (each + kPorts[family]);
  const auto header = bytes.substr(0, size);
  if (size - kFixed < block) return bad("a PROXY header too short for its addresses");
  if (transport == 1 && (family == 1 || family == 2)) {
    auto& a = out.addresses;
    const auto address = [&](Address& to, std::size_t at) {
      if (family == 1) std::memcpy(to.bytes, kMapped, sizeof kMapped);
      std::memcpy(to.bytes + (16 - each), header.data() + at, each);
    };
    address(a.source, kFixed);
    address(a.destination, kFixed + each);
    a.source_port = number16(header, kFixed + 2 * each);
    a.destination_port = number16(header, kFixed + 2 * each + 2);
    out.proxied = true;
  }
  if (!read_tlvs(header, kFixed + block, out)) return bad("a PROXY header with a TLV that is broken or a wrong CRC32C");
  return size;
}

void append_text(std::string& out, const Address& a, bool v6) {
  char text[http::kAddressText];
  if (v6 && is_ipv4(a)) out += "::ffff:";
  out += http::format_address(a, text);
}

}  // namespace

Result<std::size_t> parse(std::string_view bytes, Header& out) noexcept {
  if (bytes.empty()) return 0;
  return bytes.front() == kV2.front() ? parse_v2(bytes, out) : parse_v1(bytes, out);
}

void append_v1(std::string& out, const Addresses& a) {
  const bool v6 = !is_ipv4(a.source) || !is_ipv4(a.destination);
  out += v6 ? "PROXY TCP6 " : "PROXY TCP4 ";
  append_text(out, a.source, v6);
  out += ' ';
  append_text(out, a.destination, v6);
  out += ' ' + std::to_string(a.source_port) + ' ' + std::to_string(a.destination_port) + "\r\n";
}

void append_v2(std::string& out, const Addresses& a, std::span<const Tlv> tlvs, bool checksum) {
  const auto from = out.size();
  const bool v6 = !is_ipv4(a.source) || !is_ipv4(a.destination);
  out += kV2;
  out += '\x21';
  out += v6 ? '\x21' : '\x11';
  append16(out, 0);  // the length, once it is known
  for (const Address* address : {&a.source, &a.destination})
    out.append(reinterpret_cast<const char*>(address->bytes) + (v6 ? 0 : 12), v6 ? 16 : 4);
  append16(out, a.source_port);
  append16(out, a.destination_port);
  for (const auto& tlv : tlvs) {
    out += static_cast<char>(tlv.type);
    append16(out, tlv.value.size());
    out += tlv.value;
  }
  if (checksum) {
    out += static_cast<char>(kCrc32c);
    append16(out, 4);
    out.append(4, '\0');
  }
  const auto length = out.size() - from - kFixed;
  out[from + 14] = static_cast<char>(length >> 8);
  out[from + 15] = static_cast<char>(length & 0xff);
  if (!checksum) return;
  const auto crc = crc32c(std::string_view(out).substr(from), std::string_view::npos);
  for (std::size_t i = 0; i < 4; ++i) out[out.size() - 4 + i] = static_cast<char>(crc >> (24 - 8 * i) & 0xff);
}

}  // namespace sluice::net::proxy_protocol
