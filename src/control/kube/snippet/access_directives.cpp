// Who may come: allow, deny, satisfy, auth_basic, auth_request and what goes with them.
#include "base/strings.h"
#include "control/kube/grammar.h"
#include "control/kube/snippet/families.h"

namespace sluice::control::snippet {

namespace {

using model::RouteSettings;
using model::Snippet;

constexpr const char* kAskedAnyway =
    "what annotations and options ask for is asked: enable-global-auth: \"false\" leaves global-auth-url out";

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

std::string read_auth_basic(Reader& r, const Directive& d) {
  if (d.words[0].text != "off") return "off; the annotations auth-type: basic and auth-secret ask for passwords";
  if (r.nested())
    r.change(d, [](RouteSettings& s) { s.basic_auth = nullptr; });
  else
    r.say(d, kAskedAnyway);
  return {};
}

// What it names is looked for when it is asked: nginx knows locations by the whole configuration of their server.
std::string read_auth_request(Reader& r, const Directive& d) {
  const std::string& what = d.words[0].text;
  auto& asks = r.block().asks;
  if (asks) return "it once in a block: nginx takes no second one";
  const bool off = what == "off";
  if (!off) {
    if (!what.starts_with('/')) return "the path of a location of the same host, or off";
    // nginx takes each of these for a part of the path.
    if (what.find_first_of("$?#%") != std::string::npos || has_control(what))
      return "a path without variables, a query and escapes: nginx would look for a location of that very text";
    if (what.find("//") != std::string::npos || (what + "/").find("/./") != std::string::npos ||
        (what + "/").find("/../") != std::string::npos)
      return "a path without //, /./ and /../: locations are found by what is left of such a path";
  }
  asks = off ? std::string() : what;
  r.block().asks_at = d.at;
  if (r.nested())
    r.change(d, [](RouteSettings& s) { s.external_auth = nullptr; });
  else if (off)
    r.say(d, kAskedAnyway);
  return {};
}

std::string read_auth_request_set(Reader& r, const Directive& d) {
  using When = VariableRow::When;
  const std::string& name = d.words[0].text;
  if (name.size() < 2 || name[0] != '$' || !made_of(name.substr(1), "_")) return "a variable, as $name, and a value";
  if (d.words[1].text.find("$upstream_cookie_") != std::string::npos)
    return "$upstream_http_NAME; cookies of the service of auth-url reach clients by themselves";
  Template value;
  if (auto expected = r.text(d.words[1], Reader::For::said, value); !expected.empty()) return expected;
  for (const auto& part : value.parts()) {
    const auto of = value.text_of(part);
    if (part.variable == kGroup) return "no $" + std::string(of) + ": the answer has no groups";
    if (part.variable == kLiteral && of.find('$') != std::string_view::npos)
      return "a name behind each $, as nginx has no other way to write one";
    const bool of_answer = part.variable == variable("upstream_http_") || part.variable == variable("status") ||
                           part.variable == variable("upstream_status") || part.variable == variable("upstream_addr");
    if (!of_answer && kVariables[part.variable].when != When::request)
      return "no $" + std::string(kVariables[part.variable].name) +
             ": of the answer there are $upstream_http_NAME, $upstream_status, $upstream_addr and $status";
  }
  const std::string own = lower(std::string_view(name).substr(1));
  if (find_variable(own).id != kUnknown) return "a variable that nginx does not have itself";
  r.block().sets.insert(own);
  r.block().auth.push_back({own, std::move(value)});
  return r.block().auth.size() > Snippet::kMostVariables ? "fewer of them" : "";
}

std::string read_internal(Reader& r, const Directive&) {
  r.block().internal = true;
  return {};
}

}  // namespace sluice::control::snippet
