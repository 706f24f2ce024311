#include "control/kube/ingress/by_host.h"

#include <algorithm>

namespace sluice::control {

namespace {

constexpr std::size_t kFew = 16;  // rules and hosts of TLS sections

}  // namespace

std::size_t max_certificates(const Ingress& ingress) noexcept {
  return std::clamp<std::size_t>(10'000 / std::max<std::size_t>(ingress.rules.size(), 1), 10, 100);
}

model::Shared<IngressState::ByHost> sort_by_host(const Ingress& ingress) {
  std::size_t size = ingress.rules.size();
  for (const auto& t : ingress.tls) size += t.hosts.size();
  if (size <= kFew) return nullptr;
  IngressState::ByHost out;
  const std::size_t most = max_certificates(ingress);
  for (std::size_t r = 0; r < ingress.rules.size(); ++r)
    out.rules[lower(ingress.rules[r].host)].push_back(static_cast<std::uint32_t>(r));
  for (const auto& t : ingress.tls) {
    if (t.secret.empty()) continue;
    for (const auto& h : t.hosts) {
      auto& secrets = out.secrets[lower(h)];
      if (secrets.size() <= most) secrets.push_back(ingress.meta.ns + "/" + t.secret);
    }
  }
  return out;
}

std::vector<std::uint32_t> rules_of(const IngressState& state, const std::string& host) {
  std::vector<std::uint32_t> out;
  if (state.by_host) {
    const auto at = state.by_host->rules.find(host);
    return at == state.by_host->rules.end() ? out : at->second;
  }
  const auto& rules = state.written().rules;
  for (std::uint32_t r = 0; r < rules.size(); ++r)
    if (lower(rules[r].host) == host) out.push_back(r);
  return out;
}

SecretsOfHost secrets_of(const IngressState& state, const std::string& host) {
  const Ingress& ingress = state.written();
  if (state.by_host)
    if (const auto at = state.by_host->secrets.find(host); at != state.by_host->secrets.end())
      return {at->second, true};
  const std::size_t most = max_certificates(ingress);
  std::vector<std::string> named, others;
  for (const auto& t : ingress.tls) {
    if (t.secret.empty()) continue;
    const bool names_it =
        !state.by_host && std::any_of(t.hosts.begin(), t.hosts.end(), [&](const auto& h) { return lower(h) == host; });
    auto& into = names_it ? named : others;
    if (into.size() <= most) into.push_back(ingress.meta.ns + "/" + t.secret);
  }
  if (named.empty()) return {std::move(others), false};
  return {std::move(named), true};
}

}  // namespace sluice::control
