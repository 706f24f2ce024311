#include "control/kube/options.h"

#include <algorithm>
#include <set>

#include "base/nearest.h"
#include "base/strings.h"
#include "base/variables.h"
#include "control/control.h"
#include "control/kube/grammar.h"
#include "control/kube/guarding_options.h"
#include "control/kube/options/families.h"
#include "control/source/disclosure.h"

namespace sluice::control {

namespace {

std::vector<Option> joined() {
  std::vector<Option> out;
  for (const auto rows :
       {options_of::tenancy(), options_of::addresses(), options_of::redirects(), options_of::clients(),
        options_of::downstream(), options_of::compression(), options_of::tls(), options_of::upstream(),
        options_of::limits(), options_of::streams(), options_of::logs(), options_of::rules(),
        options_of::external_auth(), options_of::snippets(), options_of::shutdown()})
    out.insert(out.end(), rows.begin(), rows.end());
  return out;
}

const options_of::IdleOption* find_idle(std::string_view key) {
  const auto rows = options_of::idle();
  const auto at = std::ranges::lower_bound(rows, key, {}, &options_of::IdleOption::key);
  return at == rows.end() || at->key != key ? nullptr : &*at;
}

const Option* find(std::string_view key) {
  const auto rows = options();
  const auto it = std::find_if(rows.begin(), rows.end(), [&](const Option& o) { return o.key == key; });
  return it == rows.end() ? nullptr : &*it;
}

// "$a, $b"; empty when all are known.
std::string unknown_variables(const std::string& format) {
  std::string out;
  const Template text(format);
  for (const auto& part : text.parts())
    if (part.variable == kGroup || part.variable == kUnknown)
      out.append(out.empty() ? "$" : ", $").append(text.text_of(part));
  return out;
}

// What was expected instead of `value`; empty when it could be read. A list judges each of its words.
std::string parse(const Option& row, std::string_view value, model::Options& out) {
  value = trim_space(value);
  if (!row.secret && !row.value.list && !row.value.lines && has_control(value))
    return "a value without control characters";
  return row.value.parse(value, out);
}

// A key that guards requests and is not served, at all or with this value. Of a snippet the report has the word at
// which it cannot be read, as that of an Ingress's has.
void guard(const GuardingOption& option, std::string_view value, bool accepted, const model::ObjectRef& object,
           const std::string& field, OptionsResult& out) {
  const std::string key(option.key);
  const auto refused = option.why != nullptr ? option.why(value, &out.options.http_snippet) : std::nullopt;
  // Of a ConfigMap and of the command line no more than the directive's name: what is behind it may be a credential.
  const std::string about = refused ? refused->text_of_name() : shorten(value);
  const std::string expected = refused ? refused->expected : "a key that this version serves";
  if (accepted) {
    out.entries.push_back({object,
                           {model::Severity::warning, "Unprotected", field, about, expected,
                            "it has no effect, as --accept-unprotected says"}});
    return;
  }
  out.entries.push_back({object,
                         {model::Severity::error, refused ? "RefusedSnippet" : "UnsupportedOption", field, about,
                          expected + ", or --accept-unprotected " + key,
                          "what it guards answers 503, as serving it without this protection would open it"}});
  if (std::find(out.guards.begin(), out.guards.end(), key) == out.guards.end()) out.guards.push_back(key);
}

// What `compat: exact` and `resilience: recommended` set unless the keys themselves are there.
struct BegunBySet {
  std::string_view set, value, key;
  void (*begin)(model::Options& o);
};
constexpr BegunBySet kBegunBySets[] = {
    {"compat", "exact", "http2-prior-knowledge", [](model::Options& o) { o.http2_prior_knowledge = true; }},
    {"compat", "exact", "ssl-session-tickets", [](model::Options& o) { o.ssl_session_tickets = false; }},
    {"resilience", "recommended", "load-balance", [](model::Options& o) { o.load_balance = model::LoadBalance::ewma; }},
    {"resilience", "recommended", "outlier-consecutive-failures",
     [](model::Options& o) { o.outlier_consecutive_failures = 5; }},
    {"resilience", "recommended", "retry-budget-percent", [](model::Options& o) { o.retry_budget_percent = 20; }},
    {"resilience", "recommended", "retry-backoff", [](model::Options& o) { o.retry_backoff = model::Millis(25); }},
    {"resilience", "recommended", "upstream-tcp-user-timeout",
     [](model::Options& o) { o.upstream_tcp_user_timeout = model::Millis(2000); }},
};

// Values by the keys that they count for, each with the key as it is spelt.
struct Written {
  std::string spelling, value;
};
using ByKey = std::map<std::string, Written>;

// As in ingress-nginx, the case of a key does not matter: the spelling of the documentation counts before others, of
// these the first.
ByKey by_key(const std::map<std::string, std::string>& data) {
  ByKey out;
  for (const auto& [key, value] : data)
    if (is_option(key)) out.emplace(key, Written{key, value});
  for (const auto& [spelling, value] : data) {
    const std::string key = lower(spelling);
    if (!is_option(key) || !out.try_emplace(key, Written{spelling, value}).second)
      out.try_emplace(spelling, Written{spelling, value});
  }
  return out;
}

void begin_with_sets(const ByKey& data, const ByKey& set, model::Options& o) {
  const auto says = [&](std::string_view key) {
    const auto& in = set.contains(std::string(key)) ? set : data;
    const auto at = in.find(std::string(key));
    return at == in.end() ? std::string_view() : trim_space(at->second.value);
  };
  for (const BegunBySet& row : kBegunBySets)
    if (says(row.set) == row.value) row.begin(o);
}

// Of a ConfigMap: keys that are compared with all that are known.
constexpr std::size_t kMostMeant = 10;

// "; did you mean KEY?", or nothing.
std::string meant(std::string_view key) {
  static const auto keys = [] {
    std::vector<std::string_view> out;
    for (const auto& row : options()) out.push_back(row.key);
    for (const auto& row : guarding_options()) out.push_back(row.key);
    return out;
  }();
  return did_you_mean(key, keys);
}

void apply(const ByKey& data, const model::ObjectRef& object, const std::string& prefix, const model::Options& previous,
           const std::set<std::string>& accepted, OptionsResult& out) {
  std::size_t left = kMostMeant;
  for (const auto& [key, said] : data) {
    const auto& [spelling, written] = said;
    const Option* row = find(key);
    const auto* const option = guarding_option(key);
    const std::string named = prefix + "[" + spelling + "]";
    const auto guards = [&] { guard(*option, written, accepted.contains(key), object, named, out); };
    if (option && (!row || option->forbids(written))) {
      // A value that forbids nothing is honoured by doing nothing.
      if (option->forbids(written))
        guards();
      else if (key == "enable-modsecurity" && !parse_bool(written) && !trim_space(written).empty())
        out.entries.push_back({object,
                               {model::Severity::warning, "InvalidOption", named, shorten(written), "true or false",
                                "it is off, as in ingress-nginx"}});
      continue;
    }
    const auto field = row ? named : prefix + "[" + Disclosure::option(key) + "]";
    if (!row) {
      const auto* idle = find_idle(key);
      const bool meaningless = idle != nullptr && idle->meaningless;
      const auto known = idle != nullptr || left == 0 ? std::string() : meant(key);
      if (idle == nullptr && left > 0) --left;
      out.entries.push_back(
          {object,
           {model::Severity::warning,
            meaningless ? "NoEffect"
            : idle      ? "UnsupportedOption"
                        : "UnknownOption",
            // An unknown key may be a secret one, misspelt.
            field, idle ? shorten(written) : "",
            meaningless ? "nothing: " + std::string(idle->why)
            : idle      ? "a key that this version serves"
                        : "a key that docs/configmap.md lists" + known,
            meaningless || !idle ? "it has no effect" : "it has no effect: " + std::string(idle->why)}});
      continue;
    }
    std::string expected = parse(*row, written, out.options);
    if (expected.empty()) continue;
    if (option && option->why != nullptr) {  // it names a map or a zone that is not there
      guards();
      continue;
    }
    if (row->keep) row->keep(previous, out.options);
    const std::string counts = row->value.print(out.options);
    out.entries.push_back(
        {object,
         {model::Severity::warning, "InvalidOption", field, row->secret ? "" : shorten(written), expected,
          row->secret      ? "it is not used"
          : counts.empty() ? "none counts"
                           : "what counts is " + shorten(counts)}});
  }
}

}  // namespace

std::span<const Option> options() {
  static const std::vector<Option> rows = joined();
  return rows;
}

model::RouteSettings default_settings(const model::Options& options) {
  model::RouteSettings out;
  for (const Option& row : control::options())
    if (row.inherit) row.inherit(options, out);
  return out;
}

OptionsResult read_options(const std::map<std::string, std::string>& data, const model::ObjectRef& object,
                           const std::map<std::string, std::string>& set, const model::Options& previous,
                           const std::set<std::string>& accepted) {
  OptionsResult out;
  const ByKey written = by_key(data), flags = by_key(set);
  begin_with_sets(written, flags, out.options);
  apply(written, object, "data", previous, accepted, out);
  apply(flags, {"CommandLine", "", "--set", {}}, "--set", previous, accepted, out);
  auto& o = out.options;
  const bool by_flag = set.contains("compat");
  if (o.exact)
    out.entries.push_back({by_flag ? model::ObjectRef{"CommandLine", "", "--set", {}} : object,
                           {model::Severity::warning, "Hazards", by_flag ? "--set[compat]" : "data[compat]", "exact",
                            "safe, once nobody relies on the hazards that docs/compat.md lists",
                            "they are served as ingress-nginx serves them"}});
  if ((o.use_forwarded_headers || o.enable_real_ip || o.use_proxy_protocol) &&
      std::find(o.proxy_real_ip_cidr.begin(), o.proxy_real_ip_cidr.end(), model::Cidr{}) != o.proxy_real_ip_cidr.end())
    out.entries.push_back({object,
                           {model::Severity::warning, "TrustsEveryone", "data[proxy-real-ip-cidr]",
                            find("proxy-real-ip-cidr")->value.print(o), "the ranges of your own proxies",
                            "any client may choose the address and scheme that pods see"}});
  for (const auto& [key, format] : {std::pair("log-format-upstream", &o.log_format_upstream),
                                    std::pair("log-format-stream", &o.log_format_stream)}) {
    const auto unknown = unknown_variables(*format);
    if (unknown.empty()) continue;
    const bool flagged = set.contains(key);
    out.entries.push_back(
        {flagged ? model::ObjectRef{"CommandLine", "", "--set", {}} : object,
         {model::Severity::warning, "UnknownVariable", std::string(flagged ? "--set[" : "data[") + key + "]", unknown,
          "variables that docs/variables.md lists", "they are written as absent values"}});
  }
  return out;
}

bool is_option(std::string_view key) {
  return find(key) != nullptr || guarding_option(key) != nullptr || find_idle(key) != nullptr;
}

std::string option_name(const std::string& word) {
  return Disclosure::option(word);
}

std::string check_option(const std::string& key, const std::string& value) {
  const Option* row = find(key);
  if (const auto* option = guarding_option(key); option && (!row || option->forbids(value))) {
    if (const auto refused = option->why != nullptr ? option->why(value, nullptr) : std::nullopt)
      return key + ": " + refused->text() + ": expected " + refused->expected;
    return key + " guards requests, and is not served by this version" + (row ? " with that value" : "");
  }
  if (!row) return "unknown option " + Disclosure::option(key) + meant(key);
  model::Options scratch;
  auto expected = parse(*row, value, scratch);
  return expected.empty() ? "" : key + "=" + (row->secret ? "…" : shorten(value)) + ": expected " + expected;
}

std::string set_of(std::string_view key, const model::Options& options) {
  for (const BegunBySet& row : kBegunBySets) {
    if (row.key != key || !(row.set == "compat" ? options.exact : options.resilient)) continue;
    model::Options begun;
    row.begin(begun);
    const OptionValue& value = find(key)->value;
    if (value.print(begun) == value.print(options)) return std::string(row.set).append(": ").append(row.value);
  }
  return {};
}

}  // namespace sluice::control
