#include <array>

#include "base/strings.h"
#include "control/kube/annotations/values.h"

// use-regex, rewrite-target and x-forwarded-prefix.
namespace sluice::control::annotation {

namespace {

std::string read_use_regex(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  const auto on = parse_bool(v);
  out.use_regex = on.value_or(false);
  return on ? "" : "true or false";
}
std::string print_use_regex(const ServedRoute& served) {
  return truth(served.route != nullptr && served.route->match == model::PathMatch::pattern);
}

// What is made of other characters is no rewrite at all in ingress-nginx. A variable that there is not stops all
// changes of its configuration; here nothing goes to pods, as nobody can tell the path that is meant.
std::string read_rewrite_target(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  if (!made_of(v, "-._~/:$")) return "a path or URL of letters, digits and -._~/:$";
  out.settings.rewrite = model::Rewrite{std::string(v)};
  out.wrong_in_rewrite = wrong_variables(out.settings.rewrite->target, true);
  return {};
}
std::string print_rewrite_target(const ServedRoute& served) {
  return served.settings.rewrite ? served.settings.rewrite->target.text() : "";
}

std::string read_prefix(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  return read_template(v, "-._~/: ", "a path of letters, digits and -._~/:, with $1 to $9 and variables",
                       out.forwarded_prefix);
}
std::string print_prefix(const ServedRoute& served) {
  return served.settings.rewrite ? served.settings.rewrite->prefix.text() : "";
}

constexpr std::array kRewriteRows{
    Annotation{
        .name = "rewrite-target",
        .value = {"path or URL with $1 to $9 and variables", read_rewrite_target, print_rewrite_target, White::none},
        .risk = model::Risk::medium,
        .scope = Scope::host,
        .doc = "the path that pods get: $1 to $9 are groups of the path of the Ingress, which is a regular "
               "expression then, as with use-regex; a URL redirects there with 302 ([rewrite](rewrite.md))"},
    Annotation{.name = "use-regex",
               .value = {"boolean", read_use_regex, print_use_regex, White::none},
               .scope = Scope::host,
               .initial = "false",
               .also_by = "rewrite-target",
               .doc = "all paths of its namespace at its hosts are regular expressions that match from the beginning, "
                      "whatever the case; the longest text is asked first ([rewrite](rewrite.md))"},
    Annotation{.name = "x-forwarded-prefix",
               .value = {"path with $1 to $9 and variables", read_prefix, print_prefix, White::spaces_or_absent},
               .on_invalid = OnInvalid::drop,
               .risk = model::Risk::medium,
               .needs = "rewrite-target",
               .doc = "X-Forwarded-Prefix that pods get, instead of the client's"},
};

void finish_rewrite(AnnotationResult& out) {
  if (auto& rewrite = out.values.settings.rewrite; rewrite && !out.values.forwarded_prefix.empty())
    rewrite = model::Rewrite{rewrite->target, out.values.forwarded_prefix};
  if (out.values.wrong_in_rewrite.empty()) return;
  add_element(out.closing.denied, "rewrite-target");
  out.problems.push_back({model::Severity::error, "InvalidAnnotation", "metadata.annotations[rewrite-target]",
                          shorten(out.values.settings.rewrite->target.text()),
                          "$1 to $9 and " + out.values.wrong_in_rewrite, "the paths of this Ingress answer 503"});
}

}  // namespace

AnnotationFamily rewrite() {
  return {kRewriteRows, finish_rewrite};
}

}  // namespace sluice::control::annotation
