#include "control/kube/ingress/other_names.h"

#include <algorithm>
#include <array>

#include "base/strings.h"
#include "control/kube/annotations/values.h"

// server-alias and from-to-www-redirect.
namespace sluice::control::annotation {

namespace {

constexpr std::size_t kMostAliases = 1'000;

// Of the characters that ingress-nginx takes in a list of server names; what is none in spite of that is left out
// alone, while there all of the configuration would stand still.
std::string read_aliases(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  std::string bad;
  std::size_t count = 0;
  for_each_element(v, [&](std::string_view element) {
    ++count;
    if (!made_of(element, "-._~/:^$[](){}*+?|&=\\") && bad.empty()) bad = element;
  });
  if (count > kMostAliases) return "at most " + std::to_string(kMostAliases) + " names";
  if (!bad.empty()) return "host names and regular expressions of letters, digits and -._~/:^$[](){}*+?|&=\\";
  RegexBudget budget;
  for_each_element(v, [&](std::string_view element) {
    if (auto expected = read_alias(element, budget, out.aliases); !expected.empty())
      out.unreadable_aliases.emplace_back(element, std::move(expected));
  });
  std::ranges::sort(out.aliases);
  const auto again = std::ranges::unique(out.aliases);
  out.aliases.erase(again.begin(), again.end());
  return {};
}
std::string print_aliases(const ServedRoute& served) {
  std::string names;
  if (served.host)
    for (const auto& alias : served.host->aliases) add_element(names, alias.name);
  return names;
}

std::string read_to_www(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  const auto on = parse_bool(v);
  if (!on) return "true or false";
  out.to_www = *on;
  return {};
}
std::string print_to_www(const ServedRoute& served) {
  return truth(served.host && !served.host->redirected.empty());
}

constexpr std::array kNamesRows{
    Annotation{.name = "from-to-www-redirect",
               .value = {"boolean", read_to_www, print_to_www, White::none},
               .on_invalid = OnInvalid::drop,
               .scope = Scope::host,
               .initial = "false",
               .doc = "requests for www.HOST are sent to HOST, where the host begins with `www.` those for the name "
                      "without it; only where no Ingress has a rule for that name ([hosts](hosts.md))"},
    Annotation{.name = "server-alias",
               .value = {"list of names", read_aliases, print_aliases, White::any_or_absent},
               .on_invalid = OnInvalid::drop,
               .risk = model::Risk::high,
               .scope = Scope::host,
               .doc = "more names of its hosts: `NAME`, `*.NAME`, `NAME.*`, `.NAME`, or `~` and a regular expression "
                      "([hosts](hosts.md)); the oldest Ingress of a host that has the annotation says them"},
};

void finish_names(AnnotationResult& out) {
  for (auto& [element, expected] : out.values.unreadable_aliases)
    out.problems.push_back({model::Severity::error, "InvalidAlias", "metadata.annotations[server-alias]",
                            shorten(element), std::move(expected), "it is no name of its hosts"});
}

}  // namespace

AnnotationFamily names() {
  return {kNamesRows, finish_names};
}

}  // namespace sluice::control::annotation
