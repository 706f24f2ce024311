#pragma once
#include "base/strings.h"
#include "model/options.h"
#include "net/http/message.h"

namespace sluice::data {

// Does the pod's Server stand in the response, and not ours?
inline bool names_pods_server(const model::Options& options, bool from_pod) noexcept {
  return from_pod && options.allow_backend_server_header && options.server_tokens;
}

// Does that field of a response reach the client? Fields of the connection and of the framing are made anew.
inline bool is_passed_on(const net::http::Field& field, const model::Options& options, bool from_pod) noexcept {
  using net::http::Name;
  if (field.drop) return false;
  switch (field.id) {
    case Name::content_length:
    case Name::transfer_encoding:
    case Name::connection:
    case Name::keep_alive:
    case Name::upgrade:
    case Name::proxy_connection:
    case Name::x_accel:
      return false;
    case Name::server:
      if (!names_pods_server(options, from_pod)) return false;
      break;
    default:
      break;
  }
  // Ours are no business of an option that says what of pods is hidden.
  for (const auto& hidden : options.hide_headers)
    if (iequals(hidden, field.name)) return !from_pod;
  return true;
}

}  // namespace sluice::data
