#include "control/kube/annotations/registry.h"
#include "control/kube/grammar.h"

namespace sluice::control::annotation {

std::string ambiguous_paths(std::string_view v, const Ingress&, AnnotationValues& out) {
  const auto way = parse_ambiguous_paths(v);
  if (!way) return "raw, normalize or refuse";
  out.settings.ambiguous_paths = *way;
  return {};
}

}  // namespace sluice::control::annotation
