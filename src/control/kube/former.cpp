#include <algorithm>

#include "control/kube/state.h"

// Objects that belong together change one after the other: a Service renames a port, and its EndpointSlices follow; a
// Secret is replaced by deleting and making it; an Ingress names a Secret that is still to be issued. What was good
// before is used meanwhile: addresses that a slice of this very Service still lists, and pairs, for Store::kGrace at
// most. Then all is as if it had never been otherwise.
namespace sluice::control {

namespace {
constexpr std::size_t kMostFormers = 8;  // of one Service, whose ports may be renamed again and again
}  // namespace

void Store::at(Instant now) {
  auto& s = *state_;
  s.instant = now;
  while (!s.graces.empty() && std::get<Instant>(*s.graces.begin()) <= now) {
    auto [until, kind, name] = std::move(s.graces.extract(s.graces.begin()).value());
    auto& dirty = kind == State::Kept::cluster ? s.dirty_clusters
                  : kind == State::Kept::host  ? s.dirty_hosts
                                               : s.dirty_certificates;
    dirty.insert(std::move(name));
  }
}

Instant Store::next() const {
  const auto& graces = state_->graces;
  return graces.empty() ? Instant::max() : std::get<Instant>(*graces.begin());
}

bool Store::State::graced(Kept kind, const std::string& name, Instant& until) {
  if (instant == Instant{}) return false;
  if (until == Instant{}) {
    until = instant + kGrace;
    graces.emplace(until, kind, name);
  }
  return instant < until;
}

void Store::State::settle(Kept kind, const std::string& name, Instant& until) {
  if (until == Instant{}) return;
  graces.erase({until, kind, name});
  until = {};
}

void Store::State::remember(const ClusterState& c, const ServicePort& port, std::shared_ptr<const model::Cluster> led) {
  if (instant == Instant{}) return;
  auto& known = formers[c.key->service_key()];
  std::erase_if(known, [&](const Former& f) { return f.number == port.port && f.name == port.name; });
  if (known.size() == kMostFormers) known.erase(known.begin());
  known.push_back({port.port, port.name, port.target, std::move(led), {}});
}

// The Cluster says something else from now on.
void Store::State::outdate(const ClusterState& c) {
  const auto known = formers.find(c.key->service_key());
  if (known == formers.end()) return;
  for (Former& f : known->second)
    if (f.led == c.built && f.ended == Instant{}) f.ended = instant;
}

// Gives `out` the former endpoints of the port that slices of its Service still list as usable. `port`: what the
// Service says of it now; null: nothing. False when there are none, or their time is over.
bool Store::State::use_former(const std::string& name, ClusterState& c, const ServicePort* port, model::Cluster& out) {
  const std::string service = c.key->service_key();
  const auto known = formers.find(service);
  const auto listed = slices.find(service);
  if (known == formers.end() || listed == slices.end()) return false;
  const Former* former = nullptr;
  int best = 0;
  for (const Former& f : known->second) {
    if (f.ended != Instant{} && f.ended + kGrace <= instant) continue;
    const int fits = !port                    ? (f.name == c.key->port || std::to_string(f.number) == c.key->port)
                     : f.number == port->port ? 2
                                              : f.name == port->name || (!f.target.empty() && f.target == port->target);
    if (fits > 0 && fits >= best) best = fits, former = &f;
  }
  if (!former) return false;

  for (const bool leaving : {false, true}) {
    std::unordered_set<std::string_view> usable;
    for (const auto& [slice, object] : listed->second)
      for (const auto& e : std::get<EndpointSlice>(*object).endpoints)
        if (leaving ? e.serving && e.terminating : e.ready) usable.insert(e.addresses.begin(), e.addresses.end());
    Sieve sieve(slices_say(), allowed_destinations(), own.get());
    std::vector<model::Endpoint> kept;
    for (const model::Endpoint& e : former->led->endpoints)
      if (usable.contains(e.address) && sieve.takes(e.address, e.port)) {
        kept.push_back(e);
        kept.back().terminating = leaving;
      }
    if (kept.empty()) continue;
    if (!graced(Kept::cluster, name, c.grace)) return false;
    out.endpoints = std::move(kept);
    out.outside = false;
    if (!port || port->app_protocol.empty()) out.protocol = former->led->protocol;
    const auto s = services.find(service);
    if (s == services.end() || std::get<Service>(*s->second).type == "ExternalName")
      out.proxy_protocol = former->led->proxy_protocol;
    return true;
  }
  return false;
}

}  // namespace sluice::control
