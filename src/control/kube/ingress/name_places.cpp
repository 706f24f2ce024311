#include "control/kube/ingress/name_places.h"

#include <algorithm>
#include <tuple>
#include <vector>

namespace sluice::control {

void NamePlaces::add(const std::string& ns, const model::Age& age, const std::string& name) {
  Wanted& wanted = by_namespace_[ns];
  auto& ages = wanted.ages[name];
  if (!ages.empty()) wanted.in_order.erase({*ages.begin(), name});
  ages.insert(age);
  wanted.in_order.emplace(*ages.begin(), name);
}

void NamePlaces::remove(const std::string& ns, const model::Age& age, const std::string& name) {
  const auto known = by_namespace_.find(ns);
  if (known == by_namespace_.end()) return;
  Wanted& wanted = known->second;
  const auto at = wanted.ages.find(name);
  if (at == wanted.ages.end() || !at->second.contains(age)) return;
  wanted.in_order.erase({*at->second.begin(), name});
  at->second.erase(age);
  if (at->second.empty())
    wanted.ages.erase(at);
  else
    wanted.in_order.emplace(*at->second.begin(), name);
  if (wanted.ages.empty()) by_namespace_.erase(known);
}

NamePlaces::Given NamePlaces::give(std::size_t places) const {
  struct Turn {
    const std::string* ns;
    decltype(Wanted::in_order)::const_iterator next, end;
    std::size_t wants;
  };
  std::vector<Turn> turns;
  turns.reserve(by_namespace_.size());
  for (const auto& [ns, wanted] : by_namespace_)
    turns.push_back({&ns, wanted.in_order.begin(), wanted.in_order.end(), wanted.in_order.size()});
  Given out;
  while (!turns.empty() && places > 0) {
    if (turns.size() > places) {
      std::ranges::sort(turns, [](const Turn& a, const Turn& b) {
        return std::tie(a.wants, a.next->first) < std::tie(b.wants, b.next->first);
      });
      turns.resize(places);
    }
    places -= turns.size();
    for (Turn& turn : turns) out.emplace(*turn.ns, (turn.next++)->second);
    std::erase_if(turns, [](const Turn& turn) { return turn.next == turn.end; });
  }
  return out;
}

}  // namespace sluice::control
