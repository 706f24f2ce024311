// What Ingresses may ask for.
#include <array>

#include "control/kube/options/families.h"
#include "control/kube/options/values.h"

namespace sluice::control::options_of {

namespace {

// As ingress-nginx reads it: any case, and what is no level counts as the strictest, which is said.
std::string read_risk(std::string_view v, Options& o) {
  const auto level = lower(v);
  o.annotations_risk_level = level == "critical" ? model::Risk::critical
                             : level == "high"   ? model::Risk::high
                             : level == "medium" ? model::Risk::medium
                                                 : model::Risk::low;
  if (o.annotations_risk_level == model::Risk::low && level != "low") return "Low, Medium, High or Critical";
  return {};
}

std::string print_risk(const Options& o) {
  return std::string(to_string(o.annotations_risk_level));
}

std::string read_compat(std::string_view v, Options& o) {
  if (v != "safe" && v != "exact") return "safe or exact";
  o.exact = v == "exact";
  return {};
}

std::string print_compat(const Options& o) {
  return o.exact ? "exact" : "safe";
}

std::string read_resilience(std::string_view v, Options& o) {
  if (v != "plain" && v != "recommended") return "plain or recommended";
  o.resilient = v == "recommended";
  return {};
}

std::string print_resilience(const Options& o) {
  return o.resilient ? "recommended" : "plain";
}

constexpr std::array kRulesRows{
    Option{
        "resilience",
        {"plain or recommended", read_resilience, print_resilience},
        "sluice: recommended: load-balance begins as ewma, outlier-consecutive-failures as 5, retry-budget-percent as "
        "20, retry-backoff as 25ms and upstream-tcp-user-timeout as 2 ([resilience](resilience.md))"},
    Option{"compat",
           {"safe or exact", read_compat, print_compat},
           "sluice: exact: what ingress-nginx does is done even where it is a hazard, and http2-prior-knowledge and "
           "ssl-session-tickets begin as there ([compat](compat.md))"},
    Option{"allow-cross-namespace-resources", boolean<&Options::allow_cross_namespace_resources>,
           "auth-secret may name a Secret, custom-headers a ConfigMap of another namespace"},
    Option{
        "annotations-risk-level",
        {"Low, Medium, High, Critical", read_risk, print_risk},
        "an Ingress with an annotation of a higher risk is not served; snippets are Critical; what is no level is Low",
        nullptr,
        [](const Options&, Options& o) { o.annotations_risk_level = model::Risk::low; }},
    Option{"allow-snippet-annotations", boolean<&Options::allow_snippet_annotations>,
           "with annotations-risk-level Critical, true serves Ingresses with their snippets ([snippets](snippets.md)), "
           "false without them"},
    Option{"global-allowed-response-headers",
           {"list", read_headers<&Options::global_allowed_response_headers>,
            print_list<&Options::global_allowed_response_headers>, true},
           "headers that custom-headers may set, whatever the case of their letters ([headers](headers.md))"},
    Option{"annotation-value-word-blocklist", list<&Options::annotation_value_word_blocklist>,
           "an Ingress with one of these words in the value of an annotation is not served"},
    Option{"no-auth-locations", list<&Options::no_auth_locations>,
           "configured paths that begin with one of these need no authentication, and are served where the lack of it "
           "closes others"},
};

}  // namespace

std::span<const Option> rules() {
  return kRulesRows;
}

}  // namespace sluice::control::options_of
