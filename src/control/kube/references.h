#pragma once
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "control/source/object.h"

// Objects that texts of other objects name: found by those texts, and known by who named them. Objects and users are
// called by their identity, "Secret/ns/name" and "Ingress/ns/name".
namespace sluice::control {

// Finds objects by "ns/name" and records which ones were asked for, be they there or not: whoever asked is to be read
// again when one of them comes, changes or goes. What it returns lives until the Store takes further objects.
class LookUp {
 public:
  // Both by "ns/name"; they must outlive it.
  LookUp(const StringMap<ObjectPtr>& secrets, const StringMap<ObjectPtr>& config_maps)
      : secrets_(secrets), config_maps_(config_maps) {}

  // Null when it is not there yet.
  const Secret* secret(std::string_view name) { return std::get_if<Secret>(find(secrets_, "Secret/", name)); }
  const ConfigMap* config_map(std::string_view name) {
    return std::get_if<ConfigMap>(find(config_maps_, "ConfigMap/", name));
  }

  // Each that was asked for once, in order.
  std::vector<std::string> take() { return std::move(named_); }

 private:
  const Object* find(const StringMap<ObjectPtr>& among, std::string_view kind, std::string_view name);

  const StringMap<ObjectPtr>& secrets_;
  const StringMap<ObjectPtr>& config_maps_;
  std::vector<std::string> named_;
};

// Which object is named by whom, kept in both directions at the cost of what differs.
class References {
 public:
  // `user` names `objects` from here on (each once, in order) and nothing else. True: that is news.
  bool set(std::string_view user, std::vector<std::string> objects);
  // Who names the object; null: nobody.
  const std::set<std::string>* users(std::string_view object) const;
  // Calls f with each object that somebody names.
  template <class F>
  void each(F&& f) const {
    for (const auto& [object, users] : users_) f(object);
  }

 private:
  StringMap<std::vector<std::string>> objects_;  // by user
  StringMap<std::set<std::string>> users_;       // by object
};

}  // namespace sluice::control
