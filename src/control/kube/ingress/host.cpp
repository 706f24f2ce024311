#include "control/kube/ingress/host_builder.h"

namespace sluice::control {

void IngressTranslator::leave_canaries(const std::string& host, const std::string& ingress) {
  const auto them = canaries_.find(host);
  if (them != canaries_.end() && them->second.erase(ingress) > 0 && them->second.empty()) canaries_.erase(them);
}

namespace {

// Calls f(now, before) for each cluster of `now` that none of `had` is and whose path led to another before.
void for_each_replaced(const model::Host& now, const model::Host& before, const Names& had, auto f) {
  const auto is_new = [&had](const model::Route& r) { return !r.cluster.empty() && !had.contains(r.cluster.str()); };
  if (std::ranges::none_of(now.routes, is_new)) return;
  std::map<std::pair<model::PathMatch, std::string_view>, const model::Route*> led;
  for (const model::Route& r : before.routes) led.emplace(std::pair(r.match, r.path.view()), &r);
  for (const model::Route& r : now.routes) {
    if (!is_new(r)) continue;
    const auto at = led.find({r.match, r.path.view()});
    if (at != led.end() && !at->second->cluster.empty()) f(r.cluster.str(), at->second->cluster.str());
  }
}

}  // namespace

void IngressTranslator::rebuild_host(const std::string& name, model::Change& change) {
  auto it = hosts_.all.find(name);
  if (it == hosts_.all.end()) return;
  ++core_.work.hosts;
  auto& state = it->second;
  BuiltHost made = HostBuilder(*this, name).build();
  const auto& built = made.host;
  core_.problems.say("host/" + name, std::move(made.entries));
  if (built && state.built)
    for_each_replaced(*built, *state.built, state.clusters,
                      [this](const std::string& now, const std::string& before) { clusters_.replaces(now, before); });
  clusters_.lead(name, state.clusters, made.clusters);
  certificates_.show(name, state.certificates, made.certificates);
  // While it shows Secrets that it named before it waits for those that it names now.
  std::vector<ObjectName> awaited;
  if (state.grace != Instant{})
    for (const auto& secret : state.certificates) awaited.push_back(name_of<Secret>(secret));
  core_.references.set(state.names, hosts_, it->first, awaited);

  bool same = built && state.built ? *built == *state.built : built == state.built;
  if (!same) {
    change.hosts.push_back(name);
    if (built)
      core_.model->hosts[name] = built;
    else
      core_.model->hosts.erase(name);
    state.built = built;
  }
  if (built || !state.claims.empty() || has_canaries(name)) return;
  core_.references.set(state.names, hosts_, it->first, {});
  hosts_.all.erase(it);
}

}  // namespace sluice::control
