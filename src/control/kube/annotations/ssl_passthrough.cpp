#include <array>

#include "control/kube/annotations/values.h"

namespace sluice::control::annotation {

namespace {

std::string read_passthrough(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  const auto b = parse_bool(v);
  if (!b) return "true or false";
  out.ssl_passthrough = *b;
  return {};
}
std::string print_passthrough(const ServedRoute& served) {
  return truth(served.host && served.host->passthrough);
}

constexpr std::array kSslPassthroughRows{
    Annotation{.name = "ssl-passthrough",
               .value = {"boolean", read_passthrough, print_passthrough, White::none},
               .on_invalid = OnInvalid::drop,
               .scope = Scope::host,
               .initial = "false",
               .doc = "with `--enable-ssl-passthrough`: TLS for the host goes on undecrypted to the Service of its "
                      "path `/`; the oldest Ingress of the host decides"},
};

}  // namespace

AnnotationFamily ssl_passthrough() {
  return {kSslPassthroughRows};
}

}  // namespace sluice::control::annotation
