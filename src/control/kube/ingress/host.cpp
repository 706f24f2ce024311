#include "control/kube/ingress/host_builder.h"

namespace sluice::control {

void IngressTranslator::leave_canaries(const std::string& host, const std::string& ingress) {
  const auto them = canaries_.find(host);
  if (them != canaries_.end() && them->second.erase(ingress) > 0 && them->second.empty()) canaries_.erase(them);
}

void IngressTranslator::rebuild_host(const std::string& name, model::Change& change) {
  auto it = hosts_.all.find(name);
  if (it == hosts_.all.end()) return;
  ++core_.work.hosts;
  auto& state = it->second;
  BuiltHost made = HostBuilder(*this, name).build();
  const auto& built = made.host;
  core_.problems.say("host/" + name, std::move(made.entries));
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
