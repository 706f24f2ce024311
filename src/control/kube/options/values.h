#pragma once
#include <string>
#include <string_view>
#include <type_traits>

#include "base/strings.h"
#include "control/kube/grammar.h"
#include "control/kube/header_map.h"
#include "control/kube/options.h"
#include "control/kube/text_rules.h"

// The kinds of values that options have: a row names one and the member that it is kept in.
namespace sluice::control::options_of {

using model::Options;
using model::RouteSettings;

template <auto M>
std::string read_bool(std::string_view v, Options& o) {
  auto b = parse_bool(v);
  if (!b) return "true or false";
  o.*M = *b;
  return {};
}

template <auto M>
std::string print_bool(const Options& o) {
  return o.*M ? "true" : "false";
}

template <auto M, std::int64_t Low, std::int64_t High>
std::string read_number(std::string_view v, Options& o) {
  auto n = parse_int(v);
  if (!n || *n < Low || *n > High) return "a number from " + std::to_string(Low) + " to " + std::to_string(High);
  o.*M = static_cast<std::remove_reference_t<decltype(o.*M)>>(*n);
  return {};
}

template <auto M>
std::string print_number(const Options& o) {
  return std::to_string(o.*M);
}

// Bare seconds as ingress-nginx's ints, or nginx's times with a unit (240s, 10m, 1h), which its string options use.
template <auto M, std::int64_t Low>
std::string read_seconds(std::string_view v, Options& o) {
  std::int64_t unit = 1;
  auto digits = v;
  if (!digits.empty()) {
    switch (digits.back()) {
      case 's':
        digits.remove_suffix(1);
        break;
      case 'm':
        unit = 60;
        digits.remove_suffix(1);
        break;
      case 'h':
        unit = 3600;
        digits.remove_suffix(1);
        break;
      case 'd':
        unit = 86400;
        digits.remove_suffix(1);
        break;
      default:
        break;
    }
  }
  auto n = parse_int(digits);
  if (!n || *n < Low || *n > 31'536'000 / unit) return "seconds from " + std::to_string(Low) + " to 31536000";
  o.*M = model::Seconds(*n * unit);
  return {};
}

template <auto M>
std::string print_seconds(const Options& o) {
  return std::to_string((o.*M).count());
}

// Milliseconds, with or without their unit.
template <auto M, std::int64_t Low, std::int64_t High>
std::string read_millis(std::string_view v, Options& o) {
  if (v.ends_with("ms")) v.remove_suffix(2);
  const auto n = parse_int(v);
  if (!n || *n < Low || *n > High) return "milliseconds from " + std::to_string(Low) + " to " + std::to_string(High);
  o.*M = model::Millis(*n);
  return {};
}

template <auto M>
std::string print_millis(const Options& o) {
  return std::to_string((o.*M).count()) + "ms";
}

template <auto M>
std::string read_patience(std::string_view v, Options& o) {
  const auto time = parse_patience(v);
  if (!time) return std::string(kPatienceGrammar);
  o.*M = *time;
  return {};
}

template <auto M>
std::string print_patience(const Options& o) {
  return time_text(o.*M);
}

template <auto M, std::uint64_t Low, std::uint64_t High>
std::string read_size(std::string_view v, Options& o) {
  auto n = parse_size(v);
  if (!n || *n < Low || *n > High) return "a size from " + size_text(Low) + " to " + size_text(High);
  o.*M = *n;
  return {};
}

template <auto M>
std::string print_size(const Options& o) {
  return size_text(o.*M);
}

template <auto M>
std::string read_text(std::string_view v, Options& o) {
  o.*M = v;
  return {};
}

template <auto M>
std::string print_text(const Options& o) {
  return o.*M;
}

template <auto M>
std::string read_header(std::string_view v, Options& o) {
  if (!is_token(v)) return "the name of a header";
  o.*M = v;
  return {};
}

template <auto M>
std::string print_list(const Options& o) {
  std::string out;
  for (auto& e : o.*M) out += (out.empty() ? "" : ",") + e;
  return out;
}

template <auto M>
std::string read_list(std::string_view v, Options& o) {
  (o.*M).clear();
  bool bad = false;
  for_each_word(v, [&](std::string_view e) {
    bad = bad || has_control(e);
    if (!has_control(e)) (o.*M).emplace_back(e);
  });
  return bad ? "words without control characters" : "";
}

template <auto M>
std::string read_headers(std::string_view v, Options& o) {
  (o.*M).clear();
  std::string bad;
  for_each_word(v, [&](std::string_view e) {
    if (is_token(e))
      (o.*M).emplace_back(e);
    else if (bad.empty())
      bad = shorten(e);
  });
  return bad.empty() ? "" : "names of headers, which \"" + bad + "\" is not";
}

template <auto M>
std::string read_on_off(std::string_view v, Options& o) {
  auto b = parse_on_off(v);
  if (!b) return "on or off";
  o.*M = *b;
  return {};
}
template <auto M>
std::string print_on_off(const Options& o) {
  return o.*M ? "on" : "off";
}

// Of a ConfigMap that holds headers the name: what it holds is read by whoever has the ConfigMaps.
template <auto M>
std::string read_header_map(std::string_view v, Options& o) {
  if (!v.empty() && !names_config_map(v)) return "NAMESPACE/NAME of a ConfigMap";
  o.*M = v.empty() ? model::Shared<model::HeaderMap>() : model::HeaderMap{std::string(v), {}};
  return {};
}
template <auto M>
std::string print_header_map(const Options& o) {
  return o.*M ? (o.*M)->config_map : "";
}

template <auto M>
inline constexpr OptionValue boolean{"boolean", read_bool<M>, print_bool<M>};
template <auto M>
inline constexpr OptionValue on_off{"on or off", read_on_off<M>, print_on_off<M>};
template <auto M, std::int64_t Low, std::int64_t High>
inline constexpr OptionValue number{"number", read_number<M, Low, High>, print_number<M>};
template <auto M, std::int64_t Low>
inline constexpr OptionValue seconds{"seconds", read_seconds<M, Low>, print_seconds<M>};
template <auto M, std::int64_t Low, std::int64_t High>
inline constexpr OptionValue millis{"milliseconds", read_millis<M, Low, High>, print_millis<M>};
// What may be less than a second (grammar.h).
template <auto M>
inline constexpr OptionValue patience{"time, at most 1h", read_patience<M>, print_patience<M>};
template <auto M, std::uint64_t Low, std::uint64_t High>
inline constexpr OptionValue size{"size", read_size<M, Low, High>, print_size<M>};
template <auto M>
inline constexpr OptionValue header{"header name", read_header<M>, print_text<M>};
template <auto M>
inline constexpr OptionValue header_map{"NAMESPACE/NAME", read_header_map<M>, print_header_map<M>};
template <auto M>
inline constexpr OptionValue list{"list", read_list<M>, print_list<M>, true};

// For Option::inherit: the member of the options is what routes have that no annotation speaks of.
template <auto From, auto To>
void to_route(const Options& o, RouteSettings& s) {
  s.*To = o.*From;
}

// Of a list of texts and expressions: what its expressions take once compiled, beside 16 bytes for each of their text;
// elements that are looked at, each of which takes half a KiB at most.
inline constexpr std::size_t kRulesBeside = 256 << 10, kMostRules = 10'000;

template <auto M>
std::string read_rules(std::string_view v, Options& o) {
  (o.*M).clear();
  std::string bad;
  RegexBudget budget(kRulesBeside);
  for_each_element(v, [&](std::string_view e) {
    e = trim_space(e);  // the ends of lines too
    if (e.empty()) return;
    if ((o.*M).size() == kMostRules)
      bad = "at most " + std::to_string(kMostRules) + " texts and regular expressions";
    else if (auto rule = read_text_rule(e, budget))
      (o.*M).push_back(std::move(*rule));
    else if (bad.empty())
      bad = "texts, and regular expressions behind ~ or ~*, which \"" + shorten(e) + "\" is not" +
            (rule.error().empty() ? "" : ": " + rule.error());
  });
  return bad;
}

template <auto M>
std::string print_rules(const Options& o) {
  std::string out;
  for (const auto& rule : o.*M) out += (out.empty() ? "" : ",") + text_rule_text(rule);
  return out;
}

template <auto M>
constexpr OptionValue text_rules{"list of texts, ~REGEX, ~*REGEX", read_rules<M>, print_rules<M>, true};

}  // namespace sluice::control::options_of
