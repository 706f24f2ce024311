#include "base/strings.h"
#include "control/kube/annotations/registry.h"
#include "control/kube/grammar.h"

namespace sluice::control::annotation {

std::string backend_protocol(std::string_view v, const Ingress&, AnnotationValues& out) {
  using enum model::BackendProtocol;
  for (const auto protocol : {http, https, grpc, grpcs, auto_http})
    if (iequals(v, to_string(protocol))) {
      out.settings.protocol = protocol;
      return {};
    }
  const std::string expected = "HTTP, HTTPS, GRPC, GRPCS or AUTO_HTTP";
  return iequals(v, "FCGI") ? expected + "; FCGI is not served by this version" : expected;
}

std::string enable_grpc_web(std::string_view v, const Ingress&, AnnotationValues& out) {
  auto b = parse_bool(v);
  if (!b) return "true or false";
  out.settings.grpc_web = *b;
  return {};
}

}  // namespace sluice::control::annotation
