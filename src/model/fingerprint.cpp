#include "model/fingerprint.h"

#include <unordered_map>

#include "model/hash.h"

namespace sluice::model {

namespace {

// It is published: no key is part of it.
struct Mixer : Hash {
  explicit Mixer(Known* known = nullptr) : Hash(Secrets::left_out, known) {}
};

// Not the files they stand in.
void add(Hash& m, const HostSecrets& s) {
  m.all(s.ingress.ns, s.ingress.name, s.secrets, s.former);
}

std::uint64_t of(const Route& r, std::uint64_t settings) {
  const auto& [path, cluster, _, further, canary, ns, ingress, service, port, upstream, location, type, because, origin,
               rank, free, match, tls, nested, status] = r;
  Mixer m;
  m.all(match, path, cluster, status, tls, free, rank, nested, settings, further, canary, ns, ingress, service, port,
        upstream, location, type, because);
  return m.value();
}

// Of settings that many routes share.
class SettingsHashes {
 public:
  std::uint64_t of(const Shared<RouteSettings>& settings) {
    if (!settings) return 0;
    const auto [at, added] = known_.try_emplace(settings.get());
    if (added) {
      Mixer m(&parts_);
      m.add(*settings);
      at->second = m.value();
    }
    return at->second;
  }

 private:
  std::unordered_map<const RouteSettings*, std::uint64_t> known_;  // none goes meanwhile
  Mixer::Known parts_;                                             // of them
};

std::uint64_t of(const Host& host, SettingsHashes& settings) {
  const auto& [name, ns, passthrough, tls, certificates, policy, aliases, redirected, routes] = host;
  Mixer m;
  m.all(name, ns, passthrough, tls, redirected, certificates.size());
  for (const HostSecrets& secrets : certificates) add(m, secrets);
  m.add(static_cast<bool>(policy));
  if (policy) m.all(policy->ciphers, policy->prefer_server_ciphers, policy->client_auth);
  m.add(aliases.size());
  for (const Alias& alias : aliases) {
    m.all(alias.name, alias.age.created, alias.certificates.size());
    for (const HostSecrets& secrets : alias.certificates) add(m, secrets);
  }
  std::uint64_t sum = 0;
  for (const Route& route : routes) sum += of(route, settings.of(route.settings));
  m.all(routes.size(), sum);
  return m.value();
}

// Without `refused` and why it is empty: what is left out because this very process is reached there differs.
std::uint64_t of(const Cluster& c, SettingsHashes&) {
  Mixer m;
  m.all(c.name, c.upstream_name, c.endpoints, c.protocol, c.proxy_protocol, c.outside, c.no_service, c.balancing,
        c.balanced_by);
  return m.value();
}

std::uint64_t of(const Certificate& c, SettingsHashes&) {
  Mixer m;
  m.all(c.name, c.chain_pem);
  return m.value();
}

}  // namespace

std::uint64_t fingerprint(std::string_view text) noexcept {
  Mixer m;
  m.add(text);
  return m.value();
}

void Fingerprint::Parts::set(const std::string& name, std::uint64_t value) {
  auto& slot = each[fingerprint(name)];
  sum += value - slot;
  slot = value;
}

template <class T>
void Fingerprint::Parts::follow(const StringMap<std::shared_ptr<const T>>& now, const std::vector<std::string>& names) {
  SettingsHashes settings;
  for (const auto& name : names) {
    if (const auto it = now.find(name); it != now.end()) {
      set(name, of(*it->second, settings));
    } else if (const auto gone = each.find(fingerprint(name)); gone != each.end()) {
      sum -= gone->second;
      each.erase(gone);
    }
  }
}

template <class T>
void Fingerprint::Parts::follow_all(const StringMap<std::shared_ptr<const T>>& now) {
  each.clear();
  each.reserve(now.size());
  sum = 0;
  SettingsHashes settings;
  for (const auto& [name, part] : now) set(name, of(*part, settings));
}

void Fingerprint::follow(const Model& model, const Change& change) {
  if (change.everything) {
    hosts_.follow_all(model.hosts);
    clusters_.follow_all(model.clusters);
    certificates_.follow_all(model.certificates);
  } else {
    hosts_.follow(model.hosts, change.hosts);
    clusters_.follow(model.clusters, change.clusters);
    certificates_.follow(model.certificates, change.certificates);
  }
  if (change.everything || change.default_certificate) default_certificate_ = fingerprint(model.default_certificate);
  if ((change.everything || change.streams) && model.streams) {
    Mixer m;
    for (const StreamListener& l : *model.streams) m.all(l.transport, l.port, l.cluster, l.proxy_in, l.proxy_out);
    streams_ = m.value();
  }
}

std::uint64_t Fingerprint::value() const noexcept {
  Mixer m;
  m.all(hosts_.sum, clusters_.sum, certificates_.sum, options_, default_certificate_, streams_);
  return m.value();
}

}  // namespace sluice::model
