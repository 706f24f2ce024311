#include <algorithm>
#include <array>

#include "control/kube/annotations/values.h"

namespace sluice::control::annotation {

namespace {

// Everybody may step back. To go before others needs the leave of whoever writes the ConfigMap: where all are first
// nobody is, and each tenant would be.
std::string read_priority(std::string_view v, const AnnotationContext& context, AnnotationValues& out) {
  const auto priority = parse_priority(v);
  if (!priority) return std::string(kPriorityGrammar);
  const model::Options& o = context.options;
  const auto names = [&](std::string_view ns) {
    return std::ranges::find(o.priority_namespaces, ns) != o.priority_namespaces.end();
  };
  if (*priority > o.priority && !names("*") && !names(context.ns()))
    return std::string(to_string(o.priority)) + (o.priority == model::Priority::low ? "" : " or less") +
           " in a namespace that priority-namespaces does not name";
  out.settings.priority = *priority;
  return {};
}
std::string print_priority(const ServedRoute& served) {
  return std::string(to_string(served.settings.priority));
}

constexpr std::array kPriorityRows{
    Annotation{.name = "priority",
               .value = {kPriorityGrammar, read_priority, print_priority},
               .option = "priority",
               .doc = "Sluice's own: which requests are refused first under overload "
                      "([overload](overload.md#who-is-refused-first)); more than the ConfigMap's `priority` is for the "
                      "namespaces of `priority-namespaces`"},
};

}  // namespace

AnnotationFamily priority() {
  return {kPriorityRows};
}

}  // namespace sluice::control::annotation
