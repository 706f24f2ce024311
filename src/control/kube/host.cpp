#include "control/kube/host_builder.h"

namespace sluice::control {

const ClusterTexts& Store::State::cluster_texts(const ClusterKey& key) {
  auto known = cluster_names.find(key);
  if (known != cluster_names.end()) return known->second;
  // A host that an annotation names has no namespace; a name without a slash is nobody else's.
  const bool outside = key.ns.empty();
  const auto name = (outside ? key.service : key.service_key()) + ":" + key.port;
  const auto upstream_name = outside ? name : key.ns + "-" + key.service + (key.port.empty() ? "" : "-" + key.port);
  clusters[name].key = key;
  return cluster_names.emplace(key, ClusterTexts{name, upstream_name, key.service, key.port}).first->second;
}

void Store::State::rebuild_host(const std::string& name, model::Change& change) {
  auto it = hosts.find(name);
  if (it == hosts.end()) return;
  ++work.hosts;
  auto& state = it->second;
  BuiltHost made = HostBuilder(*this, name).build();
  const auto& built = made.host;
  say("host/" + name, std::move(made.entries));

  auto exchange = [&](Names& had, const std::map<std::string, RefPtr>& uses, auto& all, std::set<std::string>& dirty) {
    for (auto& n : had)
      if (!uses.contains(n)) {
        all[n].users.erase(name);
        dirty.insert(n);
      }
    Names now;
    now.reserve(uses.size());
    for (auto& [n, ref] : uses) {
      // What is wrong with it is said of its first user, who may be another one now.
      auto& users = all[n].users;
      const RefPtr before = users.empty() ? nullptr : users.begin()->second;
      users[name] = ref;
      const RefPtr& now_first = users.begin()->second;
      if (!before || before->ns != now_first->ns || before->name != now_first->name) dirty.insert(n);
      now.insert(n);
    }
    had = std::move(now);
  };
  exchange(state.clusters, made.clusters, clusters, dirty_clusters);
  const Names named = state.certificates;
  exchange(state.certificates, made.certificates, certificates, dirty_certificates);
  references_changed = references_changed || named != state.certificates;

  bool same = built && state.built ? *built == *state.built : built == state.built;
  if (!same) {
    change.hosts.push_back(name);
    if (built)
      model->hosts[name] = built;
    else
      model->hosts.erase(name);
    state.built = built;
  }
  if (!built && state.claims.empty()) hosts.erase(it);
}

}  // namespace sluice::control
