#include "control/kube/annotations/registry.h"
#include "control/kube/grammar.h"

namespace sluice::control::annotation {

namespace {
std::string boolean(std::string_view v, bool& out) {
  auto b = parse_bool(v);
  if (!b) return "true or false";
  out = *b;
  return {};
}
}  // namespace

std::string ssl_redirect(std::string_view v, const Ingress&, AnnotationValues& out) {
  return boolean(v, out.settings.ssl_redirect);
}
std::string force_ssl_redirect(std::string_view v, const Ingress&, AnnotationValues& out) {
  return boolean(v, out.settings.force_ssl_redirect);
}
std::string preserve_trailing_slash(std::string_view v, const Ingress&, AnnotationValues& out) {
  return boolean(v, out.settings.preserve_trailing_slash);
}

}  // namespace sluice::control::annotation
