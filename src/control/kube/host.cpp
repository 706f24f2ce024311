#include "control/kube/host_builder.h"

namespace sluice::control {

namespace {

const RefPtr& ref_of(const RefPtr& user) {
  return user;
}
const RefPtr& ref_of(const ClusterUser& user) {
  return user.ref;
}
bool wishes_differ(const RefPtr&, const RefPtr&, bool) {
  return false;
}
// `alone`: nobody else leads there, so that it does not matter how old a wish is.
bool wishes_differ(const ClusterUser& before, const ClusterUser& now, bool alone) {
  if (before.wishes == now.wishes) return false;
  if (!alone || before.wishes.size() != 1 || now.wishes.size() != 1) return true;
  const BalancingWish &was = *before.wishes.front(), &is = *now.wishes.front();
  return was.says != is.says || was.ref->ns != is.ref->ns || was.ref->name != is.ref->name;
}
void users_changed(CertificateState&) {}
void users_changed(ClusterState& c) {
  c.users_changed = true;
}

// Text that is no name of a Service in a cluster may be one in a file: no two Clusters are to be spelt alike.
std::string without_colons(std::string text) {
  for (auto at = text.find(':'); at != std::string::npos; at = text.find(':', at)) text.replace(at, 1, "%3A");
  return text;
}

}  // namespace

const ClusterTexts& Store::State::cluster_texts(const ClusterKey& key) {
  auto known = cluster_names.find(key);
  if (known != cluster_names.end()) return known->second;
  // A host that an annotation names has no namespace; a name without a slash is nobody else's.
  const bool outside = key.ns.empty();
  // Nor does a port have one: those of datagrams are Clusters of their own.
  const auto name =
      (outside ? key.service : without_colons(key.service_key())) + ":" + key.port + (key.udp ? "/udp" : "");
  const auto upstream_name =
      outside ? name : key.ns + "-" + key.service + (key.port.empty() ? "" : "-" + key.port) + (key.udp ? "-udp" : "");
  const auto made = cluster_names.emplace(key, ClusterTexts{name, upstream_name, key.service, key.port}).first;
  try {
    clusters[name].key = &made->first;
  } catch (...) {
    cluster_names.erase(made);
    throw;
  }
  return made->second;
}

void Store::State::leave_canaries(const std::string& host, const std::string& ingress) {
  const auto them = canaries.find(host);
  if (them != canaries.end() && them->second.erase(ingress) > 0 && them->second.empty()) canaries.erase(them);
}

void Store::State::rebuild_host(const std::string& name, model::Change& change) {
  auto it = hosts.find(name);
  if (it == hosts.end()) return;
  ++work.hosts;
  auto& state = it->second;
  BuiltHost made = HostBuilder(*this, name).build();
  const auto& built = made.host;
  say("host/" + name, std::move(made.entries));

  auto exchange = [&](Names& had, const auto& uses, auto& all, std::set<std::string>& dirty) {
    for (auto& n : had)
      if (!uses.contains(n)) {
        all[n].users.erase(name);
        users_changed(all[n]);
        dirty.insert(n);
      }
    Names now;
    now.reserve(uses.size());
    for (auto& [n, user] : uses) {
      // What is wrong with it is said of its first user, who may be another one now.
      auto& users = all[n].users;
      const RefPtr before = users.empty() ? nullptr : ref_of(users.begin()->second);
      auto& slot = users[name];
      if (wishes_differ(slot, user, users.size() == 1)) {
        users_changed(all[n]);
        dirty.insert(n);
      }
      slot = user;
      const RefPtr& now_first = ref_of(users.begin()->second);
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
  if (!built && state.claims.empty() && !has_canaries(name)) hosts.erase(it);
}

}  // namespace sluice::control
