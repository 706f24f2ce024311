#include "control/source/kinds.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace sluice::control {

namespace {

std::string rule(const KindRow& kind, std::string_view resource, std::string_view verbs) {
  return fmt::format("- apiGroups: [{}]\n  resources: [{}]\n  verbs: [{}]\n",
                     kind.group().empty() ? "\"\"" : kind.group(), resource, verbs);
}

}  // namespace

std::string KindRow::path(std::string_view ns) const {
  std::string out = fmt::format("/{}/{}/", group().empty() ? "api" : "apis", api_version);
  if (!ns.empty() && namespaced) out += fmt::format("namespaces/{}/", ns);
  return out + plural;
}

const KindRow* kind_of(std::string_view name) noexcept {
  const auto* at = std::ranges::find(kKinds, name, &KindRow::name);
  return at == std::end(kKinds) ? nullptr : at;
}

std::string rbac_rules() {
  std::string out;
  for (const KindRow& kind : kKinds)
    out += rule(kind, kind.plural, !kind.listed ? "get" : kind.by_name ? "get, list, watch" : "list, watch");
  for (const KindRow& kind : kKinds)
    if (kind.has_status) out += rule(kind, std::string(kind.plural) + "/status", "patch");
  // What we have to say of objects, for `kubectl describe`.
  return out + "- apiGroups: [\"\"]\n  resources: [events]\n  verbs: [create]\n";
}

}  // namespace sluice::control
