#include "net/http/host.h"

#include <array>
#include <cstdint>
#include <utility>

#include "base/strings.h"
#include "net/http/cidr.h"
#include "net/http/grammar.h"

namespace sluice::net::http {
namespace {

constexpr std::size_t kMaxHost = 255;

// reg-name of RFC 3986 section 3.2.2 without percent-encoding and without the comma, which would read as a list.
constexpr auto kRegName = letters_digits_and("-._~!$&'()*+;=");

// Two dots in a row share a bit that no two other bytes do.
constexpr std::uint8_t kOther = 1, kDot = 2;
constexpr auto kKinds = [] {
  std::array<std::uint8_t, 256> kinds{};
  for (std::size_t c = 0; c < kinds.size(); ++c) kinds[c] = !kRegName[c] ? 0 : c == '.' ? kDot : kOther;
  return kinds;
}();

std::unexpected<Error> bad(const char* why) {
  return std::unexpected(Error{Fault::malformed, Whose::downstream, Retry::no, 400, why});
}

unsigned port_number(std::string_view port, unsigned otherwise) noexcept {
  if (port.empty()) return otherwise;
  unsigned value = 0;
  for (char c : port) value = value * 10 + static_cast<unsigned>(c - '0');
  return value;
}

}  // namespace

Result<Authority> split_authority(std::string_view text) noexcept {
  std::size_t end = 0;  // of the host
  if (!text.empty() && text.front() == '[') {
    const auto close = text.find(']');
    Address ignored;
    if (close == std::string_view::npos || text.find(':') > close || !parse_address(text.substr(1, close - 1), ignored))
      return bad("host: not an IPv6 literal");
    end = close + 1;
  } else {
    unsigned before = 0, kind = 0, pairs = 0;
    while (end < text.size() && (kind = kKinds[static_cast<std::uint8_t>(text[end])]) != 0) {
      pairs |= std::exchange(before, kind) & kind;
      ++end;
    }
    if ((pairs & kDot) != 0 || text.substr(0, end) == ".") return bad("host: a name with an empty label");
  }
  if (end == 0) return bad("host: empty or with a byte that no host has");
  if (end > kMaxHost) return bad("host: longer than 255 bytes");
  if (end == text.size()) return Authority{text, {}};
  if (text[end] != ':') return bad("host: a byte that no host has");
  const auto port = text.substr(end + 1);
  if (!is_port(port)) return bad("host: the port is not a number from 0 to 65535");
  return Authority{text.substr(0, end), port};
}

bool same_authority(const Authority& a, const Authority& b, unsigned default_port) noexcept {
  return iequals(a.host, b.host) && port_number(a.port, default_port) == port_number(b.port, default_port);
}

}  // namespace sluice::net::http
