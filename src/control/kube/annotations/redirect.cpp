#include "control/kube/annotations/registry.h"
#include "control/kube/grammar.h"

namespace sluice::control::annotation {

namespace {
// An absolute http(s) URL or an absolute path, of the characters that RFC 3986 allows; nginx variables are refused, as
// ingress-nginx refuses them.
bool target(std::string_view v) {
  std::size_t rest = v.starts_with("https://") ? 8 : v.starts_with("http://") ? 7 : v.starts_with('/') ? 1 : 0;
  if (rest == 0 || v.size() > 4096) return false;
  if (rest > 1 && (v.size() == rest || v[rest] == '/' || v[rest] == '?' || v[rest] == '#')) return false;
  for (char c : v) {
    bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!alnum && std::string_view("-._~:/?#[]@!&'()*+,;=%").find(c) == std::string_view::npos) return false;
  }
  return true;
}

std::string redirect(std::string_view v, std::string& out) {
  if (!target(v)) return "an absolute http or https URL, or a path, without variables";
  out = v;
  return {};
}

std::string code(std::string_view v, int highest, std::uint16_t& out) {
  auto n = parse_int(v);
  if (!n || *n < 300 || *n > highest) return "a status from 300 to " + std::to_string(highest);
  out = static_cast<std::uint16_t>(*n);
  return {};
}
}  // namespace

std::string permanent_redirect(std::string_view v, const Ingress&, AnnotationValues& out) {
  return redirect(v, out.permanent_redirect);
}
std::string permanent_redirect_code(std::string_view v, const Ingress&, AnnotationValues& out) {
  return code(v, 308, out.permanent_code);
}
std::string temporal_redirect(std::string_view v, const Ingress&, AnnotationValues& out) {
  return redirect(v, out.temporal_redirect);
}
std::string temporal_redirect_code(std::string_view v, const Ingress&, AnnotationValues& out) {
  return code(v, 307, out.temporal_code);
}

std::string relative_redirects(std::string_view v, const Ingress&, AnnotationValues& out) {
  auto b = parse_bool(v);
  if (!b) return "true or false";
  out.settings.relative_redirects = *b;
  return {};
}

}  // namespace sluice::control::annotation
