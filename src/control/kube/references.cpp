#include "control/kube/references.h"

#include <algorithm>
#include <utility>

namespace sluice::control {

void LookUp::record(std::size_t kind, std::string_view key) {
  ObjectName name{static_cast<std::uint8_t>(kind), std::string(key)};
  const auto at = std::ranges::lower_bound(named_, name);
  if (at == named_.end() || *at != name) named_.insert(at, std::move(name));
}

std::span<References::Named* const> References::Uses::all() const noexcept {
  std::size_t count = 0;
  while (named_ && named_[count]) ++count;
  return {named_.get(), count};
}

void References::set(Uses& uses, Dependant& who, const std::string& part, const std::vector<ObjectName>& objects) {
  const auto same = [](const Named* had, const ObjectName& now) {
    return had->second.kind == now.kind && had->first == now.key;
  };
  const auto before = uses.all();
  if (std::ranges::equal(before, objects, same)) return;
  const Edge edge{&who, &part};
  auto now = objects.empty() ? nullptr : std::make_unique<Named*[]>(objects.size() + 1);
  std::size_t count = 0;
  for (const ObjectName& object : objects) {
    const auto [at, added] = named_[object.kind].try_emplace(object.key);
    Users& users = at->second;
    users.kind = object.kind;
    named_anew_ |= added && kKinds[object.kind].by_name;
    if (const auto place = std::ranges::lower_bound(users.edges, edge); place == users.edges.end() || *place != edge)
      users.edges.insert(place, edge);
    now[count++] = &*at;
  }
  for (Named* had : before) {
    if (std::find(now.get(), now.get() + count, had) != now.get() + count) continue;
    auto& edges = had->second.edges;
    if (const auto place = std::ranges::lower_bound(edges, edge); place != edges.end() && *place == edge)
      edges.erase(place);
    if (!edges.empty()) continue;
    named_anew_ |= kKinds[had->second.kind].by_name;
    auto& all = named_[had->second.kind];
    all.erase(all.find(had->first));
  }
  uses.named_ = std::move(now);
}

void References::mark(std::size_t kind, const std::string& ns, std::string_view name) const {
  const auto& all = named_[kind];
  if (all.empty()) return;  // as of most kinds, and of all while objects come for the first time
  std::string key = ns;
  const auto known = all.find((key += '/') += name);
  if (known == all.end()) return;
  for (const Edge& edge : known->second.edges) edge.who->mark(*edge.part);
}

void References::mark_whole(const Object& object) const {
  if (const auto whole = whole_of(object)) mark(whole->kind, meta(object).ns, whole->name);
}

void References::came(const ObjectPtr& object, const Object* before) const {
  const Meta& m = meta(*object);
  mark(object->index(), m.ns, m.name);
  mark_whole(*object);
  if (before) mark_whole(*before);
  for (Dependant* who : all_of_[object->index()]) who->came(object);
}

void References::moved(const ObjectPtr& object) const {
  for (Dependant* who : all_of_[object->index()]) who->moved(object);
}

void References::went(const Object& last) const {
  mark(last.index(), meta(last).ns, meta(last).name);
  mark_whole(last);
  for (Dependant* who : all_of_[last.index()]) who->went(last);
}

std::set<std::string> References::named() const {
  std::set<std::string> out;
  for (std::size_t kind = 0; kind < named_.size(); ++kind)
    if (kKinds[kind].by_name)
      for (const auto& [key, users] : named_[kind]) out.insert(std::string(kKinds[kind].name) + "/" + key);
  return out;
}

}  // namespace sluice::control
