#include "control/kube/objects.h"

#include <algorithm>
#include <utility>

namespace sluice::control {

namespace {

std::string key_of_whole(const Object& part, const Whole& whole) {
  return meta(part).ns + "/" + std::string(whole.name);
}

const std::string& part_name(const ObjectPtr& o) {
  return meta(*o).name;
}

}  // namespace

ObjectPtr Objects::put(ObjectPtr object) {
  const auto [known, added] = all_[object->index()].insert(Slot{object});
  ObjectPtr before;
  if (!added) {
    before = std::exchange(known->object, object);
    const auto was = whole_of(*before), is = whole_of(*object);
    if (was && was->name != is->name) remove_part(*before);
  }
  add_part(object);
  return before;
}

ObjectPtr Objects::remove(const Object& object) {
  auto& all = all_[object.index()];
  const auto known = all.find(Name(meta(object).ns, meta(object).name));
  if (known == all.end()) return nullptr;
  ObjectPtr before = known->object;
  // Its last form may name another whole than the one it was taken with: both changes can come in one batch.
  remove_part(*before);
  all.erase(known);
  return before;
}

const Object* Objects::find(std::size_t kind, std::string_view key) const {
  const auto slash = key.find('/');
  if (slash == std::string_view::npos) return nullptr;
  const auto known = all_[kind].find(Name(key.substr(0, slash), key.substr(slash + 1)));
  return known == all_[kind].end() ? nullptr : known->object.get();
}

void Objects::add_part(const ObjectPtr& object) {
  const auto whole = whole_of(*object);
  if (!whole) return;
  auto& parts = parts_[whole->kind][key_of_whole(*object, *whole)];
  const auto at = std::ranges::lower_bound(parts, meta(*object).name, {}, part_name);
  if (at != parts.end() && part_name(*at) == meta(*object).name)
    *at = object;
  else
    parts.insert(at, object);
}

void Objects::remove_part(const Object& object) {
  const auto whole = whole_of(object);
  if (!whole) return;
  auto& wholes = parts_[whole->kind];
  const auto parts = wholes.find(key_of_whole(object, *whole));
  if (parts == wholes.end()) return;
  std::erase_if(parts->second, [&](const ObjectPtr& part) { return meta(*part).name == meta(object).name; });
  if (parts->second.empty()) wholes.erase(parts);
}

}  // namespace sluice::control
