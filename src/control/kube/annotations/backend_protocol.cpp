#include <array>

#include "base/strings.h"
#include "control/kube/annotations/values.h"

namespace sluice::control::annotation {

namespace {

std::string read_protocol(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  using enum model::BackendProtocol;
  for (const auto protocol : {http, https, grpc, grpcs, auto_http, fcgi})
    if (iequals(v, to_string(protocol))) {
      out.settings.protocol = protocol;
      return {};
    }
  return "HTTP, HTTPS, GRPC, GRPCS, AUTO_HTTP or FCGI";
}

std::string print_protocol(const ServedRoute& served) {
  const auto port = served.cluster ? served.cluster->protocol : model::BackendProtocol::http;
  return std::string(to_string(served.settings.protocol.value_or(port)));
}

constexpr std::array kBackendProtocolRows{
    Annotation{.name = "backend-protocol",
               .value = {"HTTP, HTTPS, GRPC, GRPCS, AUTO_HTTP or FCGI, any case", read_protocol, print_protocol},
               .scope = Scope::backend,
               .initial = "HTTP",
               .otherwise = "appProtocol of the Service's port",
               .always_shown = true,
               .doc = "what the pods speak: GRPC is HTTP/2, GRPCS HTTP/2 over TLS, AUTO_HTTP is HTTP or HTTPS as the "
                      "client came, FCGI [FastCGI](fastcgi.md); stronger than the appProtocol of the Service's port"},
    Annotation{.name = "enable-grpc-web",
               .value = boolean<&RouteSettings::grpc_web>,
               .option = "enable-grpc-web",
               .doc = "Sluice's own: calls of gRPC-Web become calls of gRPC, for pods that speak GRPC or GRPCS"},
};

}  // namespace

AnnotationFamily backend_protocol() {
  return {kBackendProtocolRows};
}

}  // namespace sluice::control::annotation
