#include <algorithm>
#include <array>

#include "base/strings.h"
#include "control/kube/annotations/values.h"

namespace sluice::control::annotation {

namespace {

constexpr std::string_view kSchemes[] = {"https://", "http://", "$scheme://", "${scheme}://"};

// Of the characters that RFC 3986 allows, but for variables.
bool of_url_characters(const Template& target) {
  return std::ranges::all_of(target.parts(), [&](const auto& part) {
    return part.variable != kLiteral || made_of(target.text_of(part), "-._~:/?#[]@!&'()*+,;=%");
  });
}

// An absolute http(s) URL.
bool is_url(std::string_view v) {
  std::size_t rest = 0;
  for (const auto scheme : kSchemes)
    if (iequals(v.substr(0, scheme.size()), scheme)) rest = scheme.size();
  return rest != 0 && v.size() != rest && v[rest] != '/' && v[rest] != '?' && v[rest] != '#';
}

using Written = WrittenRedirect AnnotationValues::*;

template <Written Which>
std::string read_redirect_target(std::string_view v, const AnnotationContext& context, AnnotationValues& out) {
  const Template wanted(v);
  const bool variables = context.options.redirect_variables;
  if (!variables && v.find('$') != std::string_view::npos)
    return "an absolute http or https URL, or a path, without variables (option redirect-variables allows them)";
  if (auto expected = wrong_variables(wanted, false); !expected.empty()) return expected;
  // As ingress-nginx: characters are a matter of the Ingress, and what a temporal one leads to is one of the
  // annotation.
  constexpr bool temporal = Which == &AnnotationValues::temporal;
  const bool fine = v.size() <= 4096 && of_url_characters(wanted);
  if (fine && temporal && !is_url(v)) out.on_invalid = OnInvalid::use_default;
  if (!fine || (!is_url(v) && (temporal || !v.starts_with('/'))))
    return temporal ? "an absolute http or https URL" : "an absolute http or https URL, or a path";
  (out.*Which).location = wanted;
  return {};
}
template <Written Which, int Highest>
std::string read_status(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  const auto n = parse_int(v);
  if (n && (*n < 300 || *n > Highest)) out.on_invalid = OnInvalid::use_default;
  if (!n || out.on_invalid) return "a status from 300 to " + std::to_string(Highest);
  (out.*Which).status = static_cast<std::uint16_t>(*n);
  return {};
}

template <bool Temporal>
std::string print_redirect_target(const ServedRoute& served) {
  const auto& r = served.settings.redirect;
  return r && r->temporal == Temporal ? r->location.text() : "";
}
template <bool Temporal>
std::string print_status(const ServedRoute& served) {
  const auto& r = served.settings.redirect;
  return std::to_string(r && r->temporal == Temporal ? r->status : Temporal ? 302 : 301);
}

std::string read_app_root(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  if (!v.starts_with('/') || !made_of(v, "-._~/:")) return "a path of letters, digits and -._~/:";
  out.settings.app_root = model::AppRoot{std::string(v)};
  return {};
}
std::string print_app_root(const ServedRoute& served) {
  return served.settings.app_root ? served.settings.app_root->path : "";
}

constexpr std::array kRedirectRows{
    Annotation{.name = "app-root",
               .value = {"path", read_app_root, print_app_root, White::none},
               .risk = model::Risk::medium,
               .scope = Scope::host,
               .doc = "requests for / of its hosts are sent there with 302; of several at a host the one counts whose "
                      "Ingress has the longest path"},
    Annotation{.name = "permanent-redirect",
               .value = {"URL or path", read_redirect_target<&AnnotationValues::permanent>,
                         print_redirect_target<false>, White::none},
               .on_invalid = OnInvalid::drop,
               .risk = model::Risk::medium,
               .read_without = "temporal-redirect",
               .doc = "answer every request with this redirect"},
    Annotation{
        .name = "permanent-redirect-code",
        .value = {"300 to 308", read_status<&AnnotationValues::permanent, 308>, print_status<false>, White::none},
        .on_invalid = OnInvalid::drop,
        .initial = "301",
        .needs = "permanent-redirect",
        .read_without = "temporal-redirect",
        .doc = "status of permanent-redirect; another number is the default; 300, 304, 305, 306: the URL is the text, "
               "without Location"},
    Annotation{.name = "relative-redirects",
               .value = boolean<&RouteSettings::relative_redirects>,
               .on_invalid = OnInvalid::drop,
               .option = "relative-redirects",
               .doc = "Location without scheme and host"},
    Annotation{
        .name = "temporal-redirect",
        .value = {"URL", read_redirect_target<&AnnotationValues::temporal>, print_redirect_target<true>, White::none},
        .on_invalid = OnInvalid::drop,
        .risk = model::Risk::medium,
        .doc =
            "answer every request with this redirect; stronger than permanent-redirect; what is no http or https URL "
            "is left out"},
    Annotation{.name = "temporal-redirect-code",
               .value = {"300 to 307", read_status<&AnnotationValues::temporal, 307>, print_status<true>, White::none},
               .on_invalid = OnInvalid::drop,
               .initial = "302",
               .needs = "temporal-redirect",
               .read_with = "temporal-redirect",
               .doc = "status of temporal-redirect; another number is the default; 300, 304, 305, 306: the URL is the "
                      "text, without Location"},
    Annotation{.name = "use-port-in-redirects",
               .value = boolean<&RouteSettings::port_in_redirects>,
               .option = "use-port-in-redirects",
               .doc = "Locations of ours name ports: in redirects to https that of the first https listener, in those "
                      "to paths of the host that of the listener"},
};

void finish_redirect(AnnotationResult& out) {
  for (const bool temporal : {true, false}) {
    const auto& written = temporal ? out.values.temporal : out.values.permanent;
    if (written.location.empty()) continue;
    out.values.settings.redirect = model::Redirect{written.status, written.location, temporal};
    return;
  }
}

}  // namespace

AnnotationFamily redirect() {
  return {kRedirectRows, finish_redirect};
}

}  // namespace sluice::control::annotation
