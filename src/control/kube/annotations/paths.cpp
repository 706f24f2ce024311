#include "control/kube/annotations/registry.h"
#include "control/kube/grammar.h"

namespace sluice::control::annotation {

std::string ambiguous_paths(std::string_view v, const Ingress&, AnnotationValues& out) {
  const auto way = parse_ambiguous_paths(v);
  // A word that is none closes the paths of its Ingress, and lets its namespace's others pass no more than the
  // strictest.
  out.settings.ambiguous_paths = way.value_or(model::AmbiguousPaths::refuse);
  return way ? "" : "raw, normalize or refuse";
}

}  // namespace sluice::control::annotation
