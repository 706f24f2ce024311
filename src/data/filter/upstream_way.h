#pragma once
#include <string>

#include "model/model.h"

namespace sluice::data {

// How a host is reached that an annotation names by an URL: as ingress-nginx does, its certificate is not verified.
inline model::RouteSettings way_to(bool tls, const std::string& host) {
  model::RouteSettings out;
  out.protocol = tls ? model::BackendProtocol::https : model::BackendProtocol::http;
  if (tls) {
    model::UpstreamTls met = *model::unverified_tls();
    const bool name = host.find(':') == std::string::npos && host.find_first_not_of("0123456789.") != std::string::npos;
    met.send_sni = name;
    if (name) met.server_name = host;
    out.upstream_tls = std::move(met);
  }
  return out;
}

}  // namespace sluice::data
