#include "control/kube/ingress/ceilings.h"

#include <algorithm>

#include "base/strings.h"
#include "control/kube/ingress/translator.h"

namespace sluice::control {

namespace {

std::size_t names_asked_for(const Ingress& ingress, const std::string& prefix) {
  const auto& annotations = ingress.meta.annotations;
  if (annotations.empty()) return 0;
  std::size_t out = 0;
  if (const auto at = annotations.find(prefix + "/server-alias"); at != annotations.end())
    for_each_element(at->second, [&](std::string_view) { ++out; });
  if (annotations.contains(prefix + "/from-to-www-redirect")) ++out;
  return out;
}

// The loads of those that fit together; `over` gets the others. Oldest first.
std::size_t fit(std::vector<Loaded>& all, std::size_t most, bool shared, std::map<const Meta*, OverCeiling>& over) {
  std::size_t used = 0;
  std::erase_if(all, [&](const Loaded& one) {
    if (one.load <= most - used) {
      used += one.load;
      return false;
    }
    over.emplace(one.meta, OverCeiling{one.load, most - used, most, shared});
    return true;
  });
  return used;
}

}  // namespace

std::size_t load_of(const Ingress& ingress, const std::string& prefix) {
  const std::size_t rules = ingress.rules.size();
  std::size_t tls = 0, out = rules * (1 + names_asked_for(ingress, prefix)) + (ingress.default_backend ? 1 : 0);
  for (const auto& rule : ingress.rules) out += rule.paths.size();
  for (const auto& section : ingress.tls) tls += section.hosts.size();
  return out + (tls > rules ? tls - rules : 0);
}

std::map<const Meta*, OverCeiling> who_is_over(std::map<std::string_view, std::vector<Loaded>> by_namespace,
                                               const Ceilings& ceilings) {
  std::map<const Meta*, OverCeiling> out;
  std::vector<std::pair<std::size_t, std::vector<Loaded>*>> wanted;
  std::size_t all = 0;
  for (auto& [ns, ingresses] : by_namespace) {
    std::ranges::sort(ingresses, [](const Loaded& a, const Loaded& b) { return older(*a.meta, *b.meta); });
    wanted.emplace_back(fit(ingresses, ceilings.of_namespace, false, out), &ingresses);
    all += wanted.back().first;
  }
  if (all <= ceilings.of_all) return out;
  // Those that want the least first: what they leave of equal shares is for those that want more.
  std::ranges::stable_sort(wanted, {}, &decltype(wanted)::value_type::first);
  std::size_t left = ceilings.of_all, waiting = wanted.size();
  for (auto& [wants, ingresses] : wanted) {
    const std::size_t share = left / waiting--;
    if (wants > share) fit(*ingresses, share, true, out);
    left -= std::min(wants, share);
  }
  return out;
}

}  // namespace sluice::control
