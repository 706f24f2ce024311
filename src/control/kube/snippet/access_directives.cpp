// Who may come: allow, deny, satisfy, auth_basic, auth_request and what goes with them.
#include "base/strings.h"
#include "control/kube/grammar.h"
#include "control/kube/snippet/families.h"

namespace sluice::control::snippet {

namespace {

using model::RouteSettings;
using model::Snippet;

}  // namespace

std::string read_access(Reader& r, const Directive& d) {
  const std::string& what = d.words[0].text;
  model::SnippetAccess rule;
  rule.allow = d.name == "allow";
  rule.everybody = what == "all";
  if (!rule.everybody) {
    const auto ranges = parse_source_ranges(what);
    if (!ranges || ranges->size() != 1) return "an address, a range such as 10.0.0.0/8, or all";
    rule.range = ranges->front();
  }
  auto& list = r.block().access;
  if (list.size() >= Snippet::kMostFields) return "at most " + std::to_string(Snippet::kMostFields) + " of them";
  list.push_back(rule);
  return {};
}

std::string read_satisfy(Reader& r, const Directive& d) {
  const std::string& what = d.words[0].text;
  if (what != "any" && what != "all") return "any or all";
  r.block().satisfy_any = what == "any";
  return {};
}

std::string read_off_only(Reader& r, const Directive& d) {
  if (d.words[0].text != "off")
    return d.name == "auth_basic" ? "off; the annotations auth-type: basic and auth-secret ask for passwords"
                                  : "off; the annotation auth-url asks another service";
  if (r.nested())
    r.change(d, [basic = d.name == "auth_basic"](RouteSettings& s) {
      if (basic)
        s.basic_auth = nullptr;
      else
        s.external_auth = nullptr;
    });
  else
    r.say(d, "what annotations and options ask for is asked: enable-global-auth: \"false\" leaves global-auth-url out");
  return {};
}

std::string read_auth_request_set(Reader& r, const Directive& d) {
  const std::string& name = d.words[0].text;
  if (name.size() < 2 || name[0] != '$' || !made_of(name.substr(1), "_")) return "a variable, as $name, and a value";
  const Template from(d.words[1].text);
  static constexpr std::string_view kCookie = "$upstream_cookie_";
  if (d.words[1].text.starts_with(kCookie))
    return "$upstream_http_NAME; cookies of the service of auth-url reach clients by themselves";
  if (from.parts().size() != 1 || from.parts()[0].variable != variable("upstream_http_"))
    return "$upstream_http_NAME, a field of the answer of auth-url";
  const std::string own = lower(std::string_view(name).substr(1));
  if (find_variable(own).id != kUnknown) return "a variable that nginx does not have itself";
  r.block().sets.insert(own);
  r.block().auth.push_back({own, std::string(from.text_of(from.parts()[0]))});
  return r.block().auth.size() > Snippet::kMostVariables ? "fewer of them" : "";
}

std::string read_internal(Reader& r, const Directive&) {
  r.block().internal = true;
  return {};
}

}  // namespace sluice::control::snippet
