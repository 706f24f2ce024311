#pragma once
#include <chrono>
#include <string>
#include <string_view>

#include "base/strings.h"
#include "control/kube/annotations/registry.h"
#include "control/kube/grammar.h"

// The kinds of values that annotations have for plain members of RouteSettings: a row names one and its member.
namespace sluice::control::annotation {

using model::RouteSettings;

inline std::string truth(bool value) {
  return value ? "true" : "false";
}
inline std::string on_off_text(bool value) {
  return value ? "on" : "off";
}

// Text with variables and $1 to $9, whose other parts are of letters, digits and `marks`; returns what was expected.
inline std::string read_template(std::string_view v, std::string_view marks, std::string expected, Template& out) {
  out = Template(v);
  for (const auto& part : out.parts())
    if (part.variable == kLiteral && !made_of(out.text_of(part), marks)) return expected;
  return wrong_variables(out, true);
}

template <auto M>
inline constexpr AnnotationValue boolean{
    "boolean",
    [](std::string_view v, const AnnotationContext&, AnnotationValues& out) -> std::string {
      const auto b = parse_bool(v);
      if (!b) return "true or false";
      out.settings.*M = *b;
      return {};
    },
    [](const ServedRoute& served) { return truth(served.settings.*M); }, White::none};

template <auto M>
inline constexpr AnnotationValue on_off{
    "on or off",
    [](std::string_view v, const AnnotationContext&, AnnotationValues& out) -> std::string {
      const auto b = parse_on_off(v);
      if (!b) return "on or off";
      out.settings.*M = *b;
      return {};
    },
    [](const ServedRoute& served) { return on_off_text(served.settings.*M); }};

// Bare seconds. nginx reads 0 as "at once".
template <auto M>
inline constexpr AnnotationValue seconds{
    "seconds",
    [](std::string_view v, const AnnotationContext&, AnnotationValues& out) -> std::string {
      const auto n = parse_int(v);
      if (!n || *n < 0 || *n > 31'536'000) return "seconds, a bare number";
      out.settings.*M = std::chrono::seconds(*n);
      return {};
    },
    [](const ServedRoute& served) {
      const auto ms = (served.settings.*M).count();
      return ms % 1000 == 0 ? std::to_string(ms / 1000) + "s" : std::to_string(ms) + "ms";
    },
    White::none};

}  // namespace sluice::control::annotation
