#include "base/strings.h"
#include "control/kube/annotations/registry.h"
#include "control/kube/grammar.h"

// enable-cors and cors-*, with the grammars of ingress-nginx.
namespace sluice::control::annotation {

namespace {

constexpr bool small(char c) noexcept {
  return c >= 'a' && c <= 'z';
}
constexpr bool digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

// Does ingress-nginx read the list at all? Where it does not, every origin is allowed.
bool readable_origins(std::string_view list) {
  char before = 0;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const char c = list[i];
    if (c == ' ') continue;
    const auto rest = list.substr(i + 1);
    const bool fine = made_of({&c, 1}, "-.,") || (c == '*' && rest.starts_with('.')) ||
                      (c == ':' && ((rest.starts_with("//") && small(before)) || (!rest.empty() && digit(rest[0]))));
    if (!fine) return false;
    if (c == ':' && rest.starts_with("//")) i += 2;
    before = c;
  }
  return true;
}

// SCHEME://HOST[:PORT], where HOST may begin with "*.", or null.
bool is_origin(std::string_view v) {
  if (v == "null") return true;
  const auto scheme = v.find("://");
  if (scheme == std::string_view::npos || scheme == 0) return false;
  for (const char c : v.substr(0, scheme))
    if (!small(c)) return false;
  v.remove_prefix(scheme + 3);
  if (v.starts_with("*.")) v.remove_prefix(2);
  const auto colon = v.find(':');
  if (colon != std::string_view::npos) {
    const auto port = v.substr(colon + 1);
    if (port.empty() || port.find_first_not_of("0123456789") != std::string_view::npos) return false;
  }
  return made_of(v.substr(0, colon), "-.");
}

// Words of what `part` takes, with a comma, a blank or both behind each.
template <class F>
bool words(std::string_view v, F&& part) {
  for (std::size_t i = 0; i < v.size();) {
    const auto begin = i;
    while (i < v.size() && part(v[i])) ++i;
    if (i == begin) return false;
    if (i < v.size() && v[i] == ',') ++i;
    if (i < v.size() && v[i] == ' ') ++i;
  }
  return !v.empty();
}

std::string boolean(std::string_view v, bool& out) {
  const auto b = parse_bool(v);
  if (!b) return "true or false";
  out = *b;
  return {};
}

}  // namespace

std::string enable_cors(std::string_view v, const Ingress&, AnnotationValues& out) {
  return boolean(v, out.cors_enabled);
}

std::string cors_allow_origin(std::string_view v, const Ingress&, AnnotationValues& out) {
  const bool star = trim(v) == "*";
  if (star) return {};
  if (!readable_origins(v)) return "* or a list of origins such as https://a.example, https://*.b.example:8443 or null";
  out.cors.origins.clear();
  for_each_element(v, [&](std::string_view origin) {
    if (is_origin(origin))
      out.cors.origins.emplace_back(origin);
    else
      out.left_out.push_back({"cors-allow-origin", std::string(origin),
                              "an origin such as https://a.example, https://*.b.example:8443 or null"});
  });
  return {};
}

std::string cors_allow_methods(std::string_view v, const Ingress&, AnnotationValues& out) {
  v = trim(v);
  if (!words(v, [](char c) { return small(lower(c)); })) return "a list of methods such as GET, POST";
  out.cors.methods = v;
  return {};
}

std::string cors_allow_headers(std::string_view v, const Ingress&, AnnotationValues& out) {
  v = trim(v);
  if (!made_of(v, "-_, ")) return "a list of header names such as X-One, X-Two";
  out.cors.headers = v;
  return {};
}

std::string cors_expose_headers(std::string_view v, const Ingress&, AnnotationValues& out) {
  v = trim(v);
  // A star stands for itself alone.
  for (std::size_t i = 0; i + 1 < v.size(); ++i)
    if (v[i] == '*' && v[i + 1] != ',' && v[i + 1] != ' ') return "* or a list of header names such as X-One, X-Two";
  if (!words(v, [](char c) { return made_of({&c, 1}, "-_*"); }))
    return "* or a list of header names such as X-One, X-Two";
  out.cors.expose_headers = v;
  return {};
}

std::string cors_allow_credentials(std::string_view v, const Ingress&, AnnotationValues& out) {
  return boolean(v, out.cors.credentials);
}

std::string cors_max_age(std::string_view v, const Ingress&, AnnotationValues& out) {
  const auto seconds = parse_int(v);
  if (!seconds) return "a number of seconds";
  out.cors.max_age = *seconds;
  return {};
}

}  // namespace sluice::control::annotation
