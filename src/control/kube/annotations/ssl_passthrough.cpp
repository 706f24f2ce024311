#include "control/kube/annotations/registry.h"
#include "control/kube/grammar.h"

namespace sluice::control::annotation {

std::string ssl_passthrough(std::string_view v, const Ingress&, AnnotationValues& out) {
  const auto b = parse_bool(v);
  if (!b) return "true or false";
  out.ssl_passthrough = *b;
  return {};
}

}  // namespace sluice::control::annotation
