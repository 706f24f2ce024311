#pragma once
#include <boost/container/flat_set.hpp>
#include <memory>
#include <string>

#include "control/control.h"
#include "control/kube/draft.h"
#include "control/kube/graces.h"
#include "control/kube/objects.h"
#include "control/kube/problems.h"
#include "control/kube/readings.h"
#include "control/kube/references.h"
#include "control/kube/shared_settings.h"
#include "control/kube/store.h"

// What those who make a part of the Model have in common. Translators (Ingress, streams) decide what is wanted;
// builders (OptionBuilder, Clusters, Certificates, OwnAddresses) make what all of them lead to. A translator knows
// builders and no other translator; a builder knows no translator.
namespace sluice::control {

using Names = boost::container::flat_set<std::string>;
using RefPtr = std::shared_ptr<const model::ObjectRef>;

struct Core {
  explicit Core(Settings s) : settings(std::move(s)) {}
  const Settings settings;
  Store::Work work;
  Objects objects;
  Readings readings;  // of `objects`
  References references;
  Problems problems;
  Graces graces;
  Draft model;
  SharedSettings shared_settings;
  Text zone;  // that we run in, as --zone or the slices say (Whereabouts); empty: not known
  // Where we listen ourselves; null: not known, as nothing does. OwnAddresses keeps it.
  std::shared_ptr<const model::OwnListeners> own;
};

// `had` becomes what `uses` names: leave(name) for each that is no longer there, join(name, how) for all that are.
template <class User, class Leave, class Join>
void exchange(Names& had, const std::map<std::string, User>& uses, Leave&& leave, Join&& join) {
  for (const auto& name : had)
    if (!uses.contains(name)) leave(name);
  Names now;
  now.reserve(uses.size());
  for (const auto& [name, how] : uses) {
    join(name, how);
    now.insert(name);
  }
  had = std::move(now);
}

}  // namespace sluice::control
