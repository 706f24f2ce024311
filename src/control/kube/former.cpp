#include <algorithm>

#include "base/strings.h"
#include "control/kube/clusters.h"

// Objects that belong together change one after the other: a Service renames a port, and its EndpointSlices follow; a
// Secret is replaced by deleting and making it; an Ingress names a Secret that is still to be issued, or a port that
// its Service is still to have. What was good before is used meanwhile: addresses that a slice of this very Service
// still lists, and pairs, for Store::kGrace at most. Then all is as if it had never been otherwise.
namespace sluice::control {

namespace {
constexpr std::size_t kMostFormers = 8;  // of one Service, whose ports may be renamed again and again
}  // namespace

bool Graces::graced(Dependant& who, const std::string& part, Instant& until) {
  if (!begun()) return false;
  if (until == Instant{}) {
    until = now_ + Store::kGrace;
    all_.emplace(until, &who, part);
  }
  return now_ < until;
}

void Clusters::remember(const State& c, const ServicePort& port, std::shared_ptr<const model::Cluster> led) {
  if (!core_.graces.begun()) return;
  auto& known = formers_[c.key->service_key()];
  std::erase_if(known, [&](const Former& f) { return f.number == port.port && f.name == port.name; });
  if (known.size() == kMostFormers) known.erase(known.begin());
  known.push_back({port.port, port.name, port.target, std::move(led), {}});
}

// The Cluster says something else from now on.
void Clusters::outdate(const State& c) {
  const auto known = formers_.find(c.key->service_key());
  if (known == formers_.end()) return;
  for (Former& f : known->second)
    if (f.led == c.built && f.ended == Instant{}) f.ended = core_.graces.now();
}

// Gives `out` the former endpoints of the port that slices of its Service still list as usable. `port`: what the
// Service says of it now; null: nothing. False when there are none, or their time is over.
bool Clusters::use_former(const std::string& name, State& c, const ServicePort* port, model::Cluster& out) {
  const std::string service = c.key->service_key();
  const auto known = formers_.find(service);
  if (known == formers_.end()) return false;
  const auto& listed = core_.objects.parts<Service>(service);
  const auto* now = core_.objects.find<Service>(service);
  // What users named before counts where the Service lacks what they name now, or has that instead.
  const bool replaced = !c.before.empty() && (!port || (now && !find_port(*now, c.before, c.key->udp)));
  const Former* former = nullptr;
  int best = 0;
  for (const Former& f : known->second) {
    if (f.ended != Instant{} && f.ended + Store::kGrace <= core_.graces.now()) continue;
    const auto is = [&f](const std::string& text) { return f.name == text || std::to_string(f.number) == text; };
    const int fits = (port ? f.number == port->port : is(c.key->port))                                   ? 3
                     : port && (f.name == port->name || (!f.target.empty() && f.target == port->target)) ? 2
                     : replaced && is(c.before)                                                          ? 1
                                                                                                         : 0;
    if (fits > 0 && fits >= best) best = fits, former = &f;
  }
  if (!former) return false;
  if (former->led->outside) return now && use_former_name(name, c, *now, *former->led, out);

  for (const bool leaving : {false, true}) {
    std::unordered_set<std::string_view> usable;
    for (const ObjectPtr& object : listed)
      for (const auto& e : std::get<EndpointSlice>(*object).endpoints)
        if (leaving ? e.serving && e.terminating : e.ready) usable.insert(e.addresses.begin(), e.addresses.end());
    Sieve sieve(slices_say(), allowed_destinations(), core_.own.get());
    std::vector<model::Endpoint> kept;
    for (const model::Endpoint& e : former->led->endpoints)
      if (usable.contains(e.address) && sieve.takes(e.address, e.port)) {
        kept.push_back(e);
        kept.back().terminating = leaving;
      }
    if (kept.empty()) continue;
    if (!core_.graces.graced(*this, name, c.grace)) return false;
    out.endpoints = std::move(kept);
    out.outside = false;
    if (!port || port->app_protocol.empty()) out.protocol = former->led->protocol;
    if (!now || now->type == "ExternalName") out.proxy_protocol = former->led->proxy_protocol;
    return true;
  }
  return false;
}

// The same of an ExternalName: its former port at what its name resolves to; until that is known, where it led.
bool Clusters::use_former_name(const std::string& name, State& c, const Service& now, const model::Cluster& led,
                               model::Cluster& out) {
  if (now.type != "ExternalName") return false;
  auto target = lower(now.external_name);
  while (target.ends_with('.')) target.pop_back();
  const auto at = resolutions_.find(target);
  const bool known = at != resolutions_.end() && at->second.answered;
  const auto says = name_allowed(target, allowed_destinations()) ? Says::operator_ : Says::name;
  Sieve sieve(says, allowed_destinations(), core_.own.get());
  std::vector<model::Endpoint> kept;
  const auto keep = [&](const std::string& address, std::uint16_t port) {
    if (kept.size() < kMaxExternalAddresses && sieve.takes(address, port))
      kept.push_back({address, port, true, false, false, ""});
  };
  if (known && !led.endpoints.empty())
    for (const auto& address : at->second.addresses) keep(address, led.endpoints.front().port);
  if (!known)
    for (const model::Endpoint& e : led.endpoints) keep(e.address, e.port);
  if (kept.empty() || !core_.graces.graced(*this, name, c.grace)) return false;
  out.endpoints = std::move(kept);
  out.outside = true;
  out.protocol = led.protocol;
  return true;
}

}  // namespace sluice::control
