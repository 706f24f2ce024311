#include <algorithm>
#include <array>

#include "base/regex.h"
#include "base/strings.h"
#include "control/kube/annotations/values.h"

// canary and canary-*: an Ingress that takes some of the requests of another one (docs/canary.md).
namespace sluice::control::annotation {

namespace {

using model::CanaryRule;

// As in ingress-nginx: letters, digits and these, and blanks inside.
constexpr std::string_view kSimpleMarks = "-._~/: ";
constexpr std::string_view kRegexMarks = "-._~/:^$[](){}*+?|&=\\";

// The rule that is served; null: there is no canary.
const CanaryRule* rule_of(const ServedRoute& served) {
  return served.route != nullptr && served.route->canary ? &served.route->canary->rule : nullptr;
}

std::string read_canary(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  const auto on = parse_bool(v);
  if (!on) return "true or false";
  out.canary.enabled = *on;
  return {};
}
std::string print_canary(const ServedRoute& served) {
  return truth(rule_of(served) != nullptr);
}

template <std::string CanaryRule::* Member, bool Pattern = false>
std::string read_canary_text(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  if (!made_of(v, Pattern ? kRegexMarks : kSimpleMarks))
    return Pattern ? "a regular expression of letters, digits and -._~/:^$[](){}*+?|&=\\"
                   : "letters, digits, blanks and -._~/:";
  out.canary.rule.*Member = v;
  return {};
}
template <std::string CanaryRule::* Member>
std::string print_canary_text(const ServedRoute& served) {
  const CanaryRule* rule = rule_of(served);
  return rule != nullptr ? rule->*Member : "";
}

template <std::int64_t CanaryRule::* Member>
std::string read_canary_number(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  const auto n = parse_int(v);
  if (!n) return "a whole number";
  out.canary.rule.*Member = *n;
  return {};
}
template <std::int64_t CanaryRule::* Member>
std::string print_canary_number(const ServedRoute& served) {
  const CanaryRule* rule = rule_of(served);
  return std::to_string(rule != nullptr ? rule->*Member : CanaryRule().*Member);
}

std::string read_sessions(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  if (v != "sticky" && v != "legacy") return "sticky or legacy";
  out.canary.rule.sessions = v == "sticky";
  return {};
}
std::string print_sessions(const ServedRoute& served) {
  const CanaryRule* rule = rule_of(served);
  return rule == nullptr || rule->sessions ? "sticky" : "legacy";
}

constexpr std::string_view kCanary = "canary", kByHeader = "canary-by-header";

constexpr std::array kCanaryRows{
    Annotation{.name = "affinity-canary-behavior",
               .value = {"sticky or legacy", read_sessions, print_sessions},
               .scope = Scope::canary,
               .initial = "sticky",
               .needs = kCanary,
               .doc =
                   "on the canary, where its main Ingress has `affinity: cookie`. sticky: whom the canary has served "
                   "stays there; legacy: it takes no part in the sessions"},
    Annotation{.name = kCanary,
               .value = {"boolean", read_canary, print_canary, White::none},
               .scope = Scope::canary,
               .initial = "false",
               .doc =
                   "the Ingress takes some of the requests of another one of its namespace, which has the same host, "
                   "path and pathType ([canary](canary.md)); of its other annotations none has an effect"},
    Annotation{.name = "canary-by-cookie",
               .value = {"name of a cookie", read_canary_text<&CanaryRule::cookie>,
                         print_canary_text<&CanaryRule::cookie>, White::spaces_or_absent},
               .risk = model::Risk::medium,
               .scope = Scope::canary,
               .needs = kCanary,
               .doc = "requests whose cookie of that name is `always` are taken, those of `never` are not"},
    Annotation{.name = kByHeader,
               .value = {"name of a header", read_canary_text<&CanaryRule::header>,
                         print_canary_text<&CanaryRule::header>, White::spaces_or_absent},
               .risk = model::Risk::medium,
               .scope = Scope::canary,
               .needs = kCanary,
               .doc =
                   "requests whose header of that name is `always` are taken, those of `never` are not; asked before "
                   "the cookie and the weight"},
    Annotation{.name = "canary-by-header-pattern",
               .value = {"regular expression (PCRE2)", read_canary_text<&CanaryRule::pattern, true>,
                         print_canary_text<&CanaryRule::pattern>, White::none},
               .risk = model::Risk::medium,
               .scope = Scope::canary,
               .needs = kByHeader,
               .doc = "requests whose header matches it are taken, in place of `always` and `never`"},
    Annotation{.name = "canary-by-header-value",
               .value = {"text", read_canary_text<&CanaryRule::value>, print_canary_text<&CanaryRule::value>,
                         White::spaces_or_absent},
               .risk = model::Risk::medium,
               .scope = Scope::canary,
               .needs = kByHeader,
               .doc = "requests whose header is exactly this are taken, in place of `always` and `never`, and of the "
                      "pattern"},
    Annotation{.name = "canary-weight",
               .value = {"number", read_canary_number<&CanaryRule::weight>, print_canary_number<&CanaryRule::weight>,
                         White::none},
               .scope = Scope::canary,
               .initial = "0",
               .needs = kCanary,
               .doc = "of the requests of which neither header nor cookie decides so many in `canary-weight-total` are "
                      "taken, by chance"},
    Annotation{.name = "canary-weight-total",
               .value = {"number", read_canary_number<&CanaryRule::total>, print_canary_number<&CanaryRule::total>,
                         White::none},
               .scope = Scope::canary,
               .initial = "100",
               .needs = "canary-weight",
               .doc = "what `canary-weight` is a part of; below 100 it is 100"},
};

// What of the rule is not what its author may think.
void finish_canary(AnnotationResult& out) {
  auto& w = out.values.canary;
  const auto in_vain = [&](std::string_view name, std::string value, std::string expected, std::string consequence) {
    out.problems.push_back({model::Severity::warning, "NoEffect", "metadata.annotations[" + std::string(name) + "]",
                            shorten(value), std::move(expected), std::move(consequence)});
  };
  if (!out.canary) {
    if (w.enabled)
      out.problems.push_back({model::Severity::warning, "InvalidAnnotation", "metadata.annotations[canary]", "true",
                              "true or false, without blanks", "the default is used"});
    for (const auto& [name, value] : w.beside)
      in_vain(name, std::string(value), "canary: \"true\" beside it", "it has no effect");
    return;
  }
  CanaryRule& rule = w.rule;
  if (rule.header.empty()) {
    for (const auto& [name, value] :
         {std::pair("canary-by-header-value", &rule.value), std::pair("canary-by-header-pattern", &rule.pattern)})
      if (!value->empty()) in_vain(name, *value, "canary-by-header beside it", "it has no effect");
  } else if (!rule.value.empty() && !rule.pattern.empty()) {
    in_vain("canary-by-header-pattern", rule.pattern, "no canary-by-header-value, which counts where both are there",
            "it has no effect");
    rule.pattern.clear();
  } else if (!rule.pattern.empty()) {
    if (const auto made = Regex::make("(?-i)" + rule.pattern); !made)
      out.problems.push_back({model::Severity::warning, "InvalidPattern",
                              "metadata.annotations[canary-by-header-pattern]", shorten(rule.pattern),
                              "a regular expression (PCRE2): " + made.error(),
                              "all requests with header " + rule.header + " stay with the main Ingress"});
  }
  if (rule.total < 100) {
    in_vain("canary-weight-total", std::to_string(rule.total), "a number from 100 on", "it is 100");
    rule.total = 100;
  }
  if (rule.weight < 0)
    in_vain("canary-weight", std::to_string(rule.weight), "a number from 0 on", "it is 0");
  else if (rule.weight > rule.total)
    in_vain("canary-weight", std::to_string(rule.weight),
            "a number up to " + std::to_string(rule.total) + " (canary-weight-total)",
            "the canary takes all requests of which neither header nor cookie decides");
}

}  // namespace

AnnotationFamily canary() {
  return {kCanaryRows, finish_canary};
}

}  // namespace sluice::control::annotation
