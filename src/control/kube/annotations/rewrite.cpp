#include "control/kube/annotations/registry.h"
#include "control/kube/grammar.h"

namespace sluice::control::annotation {

std::string use_regex(std::string_view v, const Ingress&, AnnotationValues& out) {
  const auto on = parse_bool(v);
  out.use_regex = on.value_or(false);
  return on ? "" : "true or false";
}

// What is made of other characters is no rewrite at all in ingress-nginx. Of nginx's variables, which those allow, only
// groups are known here: the path that the others would make cannot be told, so nothing goes to pods.
std::string rewrite_target(std::string_view v, const Ingress&, AnnotationValues& out) {
  v = trim_of(v, kBlank);
  if (!made_of(v, "-._~/:$")) return "a path or URL of letters, digits and -._~/:$";
  for (auto at = v.find('$'); at != std::string_view::npos; at = v.find('$', at + 1))
    out.rewrite_by_variables = out.rewrite_by_variables || at + 1 == v.size() || v[at + 1] < '1' || v[at + 1] > '9';
  out.settings.rewrite = std::make_shared<const model::Rewrite>(model::Rewrite{std::string(v)});
  return {};
}

}  // namespace sluice::control::annotation
