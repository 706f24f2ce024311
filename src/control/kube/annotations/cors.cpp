#include <array>

#include "base/strings.h"
#include "control/kube/annotations/values.h"

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

std::string read_enable(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  const auto b = parse_bool(v);
  if (!b) return "true or false";
  out.cors.enabled = *b;
  return {};
}

std::string read_origins(std::string_view v, const AnnotationContext& context, AnnotationValues& out) {
  const bool star = trim(v) == "*";
  if (star) return {};
  if (!readable_origins(v)) return "* or a list of origins such as https://a.example, https://*.b.example:8443 or null";
  out.cors.cors.ends_alone = context.options.exact;
  out.cors.cors.origins.clear();
  for_each_element(v, [&](std::string_view origin) {
    if (is_origin(origin))
      out.cors.cors.origins.emplace_back(origin);
    else
      out.cors.left_out.emplace_back(origin);
  });
  return {};
}

std::string read_methods(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  v = trim(v);
  if (!words(v, [](char c) { return small(lower(c)); })) return "a list of methods such as GET, POST";
  out.cors.cors.methods = v;
  return {};
}

std::string read_headers(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  v = trim(v);
  if (!made_of(v, "-_, ")) return "a list of header names such as X-One, X-Two";
  out.cors.cors.headers = v;
  return {};
}

std::string read_expose_headers(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  v = trim(v);
  // A star stands for itself alone.
  for (std::size_t i = 0; i + 1 < v.size(); ++i)
    if (v[i] == '*' && v[i + 1] != ',' && v[i + 1] != ' ') return "* or a list of header names such as X-One, X-Two";
  if (!words(v, [](char c) { return made_of({&c, 1}, "-_*"); }))
    return "* or a list of header names such as X-One, X-Two";
  out.cors.cors.expose_headers = v;
  return {};
}

std::string read_credentials(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  const auto b = parse_bool(v);
  if (!b) return "true or false";
  out.cors.cors.credentials = *b;
  return {};
}

std::string read_max_age(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  const auto seconds = parse_int(v);
  if (!seconds) return "a number of seconds";
  out.cors.cors.max_age = *seconds;
  return {};
}

// What is told where none is enabled are the defaults.
const model::Cors& cors_of(const ServedRoute& served) {
  static const model::Cors none;
  return served.settings.cors ? *served.settings.cors : none;
}
std::string print_enable(const ServedRoute& served) {
  return truth(static_cast<bool>(served.settings.cors));
}
std::string print_origins(const ServedRoute& served) {
  std::string out;
  for (const auto& origin : cors_of(served).origins) add_element(out, origin);
  return out;
}
std::string print_methods(const ServedRoute& served) {
  return cors_of(served).methods;
}
std::string print_headers(const ServedRoute& served) {
  return cors_of(served).headers;
}
std::string print_expose_headers(const ServedRoute& served) {
  return cors_of(served).expose_headers;
}
std::string print_credentials(const ServedRoute& served) {
  return truth(cors_of(served).credentials);
}
std::string print_max_age(const ServedRoute& served) {
  return std::to_string(cors_of(served).max_age);
}

constexpr std::string_view kEnable = "enable-cors";

constexpr std::array kCorsRows{
    Annotation{.name = "cors-allow-credentials",
               .value = {"boolean", read_credentials, print_credentials, White::none},
               .initial = "true",
               .needs = kEnable,
               .doc = "send Access-Control-Allow-Credentials: true"},
    Annotation{.name = "cors-allow-headers",
               .value = {"list", read_headers, print_headers, White::spaces_or_absent},
               .risk = model::Risk::medium,
               .initial = "DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,"
                          "Range,Authorization",
               .needs = kEnable,
               .doc = "Access-Control-Allow-Headers"},
    Annotation{.name = "cors-allow-methods",
               .value = {"list", read_methods, print_methods, White::spaces},
               .risk = model::Risk::medium,
               .initial = "GET, PUT, POST, DELETE, PATCH, OPTIONS",
               .needs = kEnable,
               .doc = "Access-Control-Allow-Methods"},
    Annotation{.name = "cors-allow-origin",
               .value = {"list of origins", read_origins, print_origins, White::any_or_absent},
               .risk = model::Risk::medium,
               .initial = "*",
               .needs = kEnable,
               .doc = "which origins are allowed: SCHEME://HOST[:PORT], where HOST may begin with `*.` for one label, "
                      "or null; elements that are none are left out"},
    Annotation{.name = "cors-expose-headers",
               .value = {"list", read_expose_headers, print_expose_headers, White::spaces},
               .risk = model::Risk::medium,
               .needs = kEnable,
               .doc = "Access-Control-Expose-Headers"},
    Annotation{.name = "cors-max-age",
               .value = {"seconds", read_max_age, print_max_age, White::none},
               .initial = "1728000",
               .needs = kEnable,
               .doc = "Access-Control-Max-Age"},
    Annotation{.name = kEnable,
               .value = {"boolean", read_enable, print_enable, White::none},
               .initial = "false",
               .doc = "answer CORS preflights of allowed origins with 204, and add the Access-Control fields to their "
                      "responses"},
};

void finish_cors(AnnotationResult& out) {
  const WrittenCors& written = out.values.cors;
  for (const auto& origin : written.left_out)
    out.problems.push_back({model::Severity::warning, "InvalidAnnotation", "metadata.annotations[cors-allow-origin]",
                            shorten(origin), "an origin such as https://a.example, https://*.b.example:8443 or null",
                            "it is left out of the list"});
  if (written.enabled)
    out.values.settings.cors = written.cors;
  else if (static const model::Cors plain; written.cors != plain)
    out.problems.push_back({model::Severity::warning, "NoEffect", "metadata.annotations[cors-*]", "",
                            "enable-cors: \"true\" beside them", "without enable-cors they are ignored"});
}

}  // namespace

AnnotationFamily cors() {
  return {kCorsRows, finish_cors};
}

}  // namespace sluice::control::annotation
