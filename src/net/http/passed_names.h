#pragma once
#include <algorithm>
#include <array>
#include <string_view>

#include "net/http/grammar.h"
#include "net/http/message.h"

// Which names of a client's fields go on to pods. Shared by the readers of HTTP/1 and HTTP/2.
namespace sluice::net::http {

// Is this a name with `_` that programs which turn names into variables (CGI, WSGI, Rack) take for one whose value pods
// have from the proxy: X_Real_IP is HTTP_X_REAL_IP, as X-Real-IP is?
inline bool mistaken_for_the_proxys(std::string_view name) noexcept {
  std::array<char, 32> dashed;
  if (name.size() > dashed.size()) return false;
  std::ranges::replace_copy(name, dashed.begin(), '_', '-');
  using enum Name;
  switch (name_of({dashed.data(), name.size()})) {
    case cdn_loop:
    case content_length:
    case forwarded:
    case http2_settings:
    case keep_alive:
    case proxy_authorization:
    case proxy_connection:
    case transfer_encoding:
    case x_forwarded_for:
    case x_forwarded_host:
    case x_forwarded_port:
    case x_forwarded_proto:
    case x_forwarded_scheme:
    case x_original_forwarded_for:
    case x_original_forwarded_host:
    case x_original_uri:
    case x_real_ip:
    case x_request_id:
    case x_scheme:
      return true;
    default:
      return false;
  }
}

// Is a field not passed on for its name? `seen`: the kinds of its characters (grammar.h), of which one is not plain.
inline bool drops_name(std::string_view name, unsigned seen, bool ignore_invalid, bool underscores) noexcept {
  if (ignore_invalid && ((seen & kOdd) || !underscores)) return true;
  return (seen & kUnderscore) && mistaken_for_the_proxys(name);
}

// Letters, digits and '-' alone: what a name in a request's trailers is made of, whatever names in its head may be.
inline bool is_plain_name(std::string_view name) noexcept {
  return std::ranges::all_of(name, [](char c) { return kToken[byte(c)] == kPlain; });
}

}  // namespace sluice::net::http
