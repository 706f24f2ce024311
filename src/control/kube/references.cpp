#include "control/kube/references.h"

#include <algorithm>
#include <utility>

namespace sluice::control {

const Object* LookUp::find(const StringMap<ObjectPtr>& among, std::string_view kind, std::string_view name) {
  std::string identity(kind);
  identity += name;
  const auto at = std::ranges::lower_bound(named_, identity);
  if (at == named_.end() || *at != identity) named_.insert(at, std::move(identity));
  const auto found = among.find(name);
  return found == among.end() ? nullptr : found->second.get();
}

bool References::set(std::string_view user, std::vector<std::string> objects) {
  const auto known = objects_.find(user);
  if (known == objects_.end() ? objects.empty() : known->second == objects) return false;
  if (known != objects_.end())
    for (const auto& object : known->second)
      if (const auto at = users_.find(object); at != users_.end()) {
        at->second.erase(std::string(user));
        if (at->second.empty()) users_.erase(at);
      }
  for (const auto& object : objects) users_[object].emplace(user);
  if (!objects.empty())
    objects_.insert_or_assign(std::string(user), std::move(objects));
  else
    objects_.erase(known);
  return true;
}

const std::set<std::string>* References::users(std::string_view object) const {
  const auto at = users_.find(object);
  return at == users_.end() ? nullptr : &at->second;
}

}  // namespace sluice::control
