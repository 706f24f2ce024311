#include <array>

#include "control/kube/annotations/values.h"

namespace sluice::control::annotation {

namespace {

std::string read_ambiguous_paths(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  const auto way = parse_ambiguous_paths(v);
  // A word that is none closes the paths of its Ingress, and lets its namespace's others pass no more than the
  // strictest.
  out.settings.ambiguous_paths = way.value_or(model::AmbiguousPaths::refuse);
  return way ? "" : "raw, normalize or refuse";
}

std::string print_ambiguous_paths(const ServedRoute& served) {
  return std::string(to_string(served.settings.ambiguous_paths));
}

constexpr std::array kPathsRows{
    Annotation{.name = "ambiguous-paths",
               .value = {"raw, normalize or refuse", read_ambiguous_paths, print_ambiguous_paths},
               .on_invalid = OnInvalid::deny,
               .scope = Scope::host,
               .option = "ambiguous-paths",
               .doc = "Sluice's own: what pods get of a path that two readers may take for different ones: the path as "
                      "it came, the path that was matched, or nothing (400)"},
};

}  // namespace

AnnotationFamily paths() {
  return {kPathsRows};
}

}  // namespace sluice::control::annotation
