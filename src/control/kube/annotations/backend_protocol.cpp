#include "base/strings.h"
#include "control/kube/annotations/registry.h"
#include "control/kube/grammar.h"

namespace sluice::control::annotation {

std::string backend_protocol(std::string_view v, const Ingress&, AnnotationValues& out) {
  if (iequals(v, "HTTP"))
    out.settings.protocol = model::BackendProtocol::http;
  else if (iequals(v, "HTTPS"))
    out.settings.protocol = model::BackendProtocol::https;
  else if (iequals(v, "GRPC") || iequals(v, "GRPCS") || iequals(v, "AUTO_HTTP") || iequals(v, "FCGI"))
    return "HTTP or HTTPS; the others are not served by this version";
  else
    return "HTTP or HTTPS";
  return {};
}

}  // namespace sluice::control::annotation
