#pragma once
#include <string>
#include <string_view>

#include "net/http/message.h"

// The cookie of affinity: "KEY|ID", where the key leads to an endpoint and the ID says of which Cluster. Both are made
// as ingress-nginx makes them, so that a session goes on here that began there, and the other way round.
namespace sluice::data {

struct SessionCookie {
  std::string_view key;  // empty: there is none
  std::string_view id;   // empty: it has none
};

// What identifies the sessions of a Cluster, by its upstream_name.
std::string session_id_of(std::string_view upstream_name);

// The request's cookie of that name. Of several the one that was made for `id`; else the first, which browsers send for
// the nearest path. Views into the head.
SessionCookie session_cookie(const net::http::RequestHead& head, std::string_view name, std::string_view id) noexcept;

}  // namespace sluice::data
