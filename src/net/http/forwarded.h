#pragma once
#include <optional>
#include <string_view>

#include "base/strings.h"
#include "net/http/host.h"

// What the X-Forwarded-* fields of a trusted proxy say about the request as its client made it. Each hop may append to
// a list; the client's own hop is the first element, and that one counts, whatever the field. A value that could not
// stand in the field it replaces is not believed: then what the connection itself says holds.
namespace sluice::net::http {

// The first element of a comma-separated list, trimmed; empty elements count as none (RFC 9110 section 5.6.1.2).
constexpr std::string_view first_element(std::string_view list) noexcept {
  std::string_view found;
  for_each_element(list, [&](std::string_view element) {
    if (found.empty()) found = element;
  });
  return found;
}

// X-Forwarded-Host: host and port as Host may have them. `text` is the element itself.
struct ForwardedHost {
  std::string_view text;
  Authority authority;
};
std::optional<ForwardedHost> forwarded_host(std::string_view list) noexcept;

// X-Forwarded-Port: 1 to 65535 in digits.
std::optional<std::string_view> forwarded_port(std::string_view list) noexcept;

// X-Forwarded-Proto: "http" or "https"; ws and wss are theirs. Empty when it is neither.
std::optional<std::string_view> forwarded_scheme(std::string_view list) noexcept;

// How the client came. `list`: X-Forwarded-Proto of a trusted proxy, empty without one; `tls`: the connection's own.
struct ClientScheme {
  bool https;
  // It is certain that the client came without TLS: it may be sent to https. As ingress-nginx has it, only "http" and
  // nothing else says so, so that no value makes a loop.
  bool plain;
};
// Nothing: there is no such field; an empty one is there, and says neither.
ClientScheme client_scheme(std::optional<std::string_view> list, bool tls) noexcept;

// Forwarded (RFC 7239 section 4), which goes to pods as it is: elements of pairs, each a token and a value, where
// `host` is what Host may be and `proto` is http or https. White space around separators is taken, as many senders
// write it; quoted pairs (backslashes) are not.
bool is_forwarded(std::string_view list) noexcept;

}  // namespace sluice::net::http
