#include <algorithm>

#include "base/strings.h"
#include "control/kube/annotations/guard.h"
#include "control/kube/grammar.h"
#include "control/kube/ingress/by_host.h"
#include "control/kube/ingress/host_builder.h"

// Canaries at one host: each joins the location of its namespace with the same path and pathType (docs/canary.md).
namespace sluice::control {

using model::Severity;

namespace {

// As ingress-nginx compares it, which makes Prefix of ImplementationSpecific and of none; so are paths that nobody
// writes.
std::string_view compared_type(std::string_view written) {
  return written.empty() || written == "ImplementationSpecific" ? "Prefix" : written;
}

// What ingress-nginx knows an upstream by, inside a namespace.
std::pair<std::string_view, std::string_view> upstream_of(const Backend& backend) {
  return {backend.service, backend.port};
}

}  // namespace

// The canaries with rules for the host, oldest first; with `candidate` in place of the Ingress of its name.
std::vector<const IngressState*> IngressTranslator::canaries_at(const std::string& host,
                                                                const IngressState* candidate) const {
  std::vector<const IngressState*> out;
  if (const auto known = canaries_.find(host); known != canaries_.end())
    for (const auto& key : known->second)
      if (!candidate || key != key_of(candidate->meta())) out.push_back(&ingresses_.find(key)->second);
  if (candidate && candidate->canary_hosts.contains(host)) out.push_back(candidate);
  std::sort(out.begin(), out.end(), [](auto* a, auto* b) { return older(a->meta(), b->meta()); });
  return out;
}

void HostBuilder::find_canaries() {
  canaries_ = state_.canaries_at(name_, candidate_);
}

// Locations are known by now, and which of them are closed. As in ingress-nginx the oldest canary of a location counts,
// and none whose Service is a main one of its namespace at the host; but a canary takes no requests of other paths, be
// they of the same Service, and none of other namespaces.
void HostBuilder::merge_canaries() {
  if (canaries_.empty()) return;
  std::map<std::string_view, Mains> by_namespace;
  for (Location& l : locations_) {
    if (l.refused || !l.owner || !l.backend || l.backend->resource) continue;
    Mains& mains = by_namespace[l.owner->ref->ns.view()];
    mains.locations.emplace(std::pair(std::string_view(l.path), compared_type(l.written_type.view())), &l);
    mains.upstreams.insert(upstream_of(*l.backend));
  }
  for (const IngressState* o : canaries_) {
    const auto at = by_namespace.find(o->ref->ns.view());
    static const Mains none;
    merge_canary(*o, at == by_namespace.end() ? none : at->second);
  }
}

void HostBuilder::merge_canary(const IngressState& canary, const Mains& mains) {
  const Ingress& ingress = canary.ingress();
  if (name_.empty() && ingress.default_backend) {
    for (const auto& [key, location] : mains.locations)
      join(canary, *ingress.default_backend, "spec.defaultBackend", *location, mains);
    if (mains.locations.empty()) report_without_main(canary, "spec.defaultBackend", "");
  }
  const auto& rules = ingress.rules;
  for (const std::size_t r : rules_of(canary, name_)) {
    for (std::size_t p = 0; p < rules[r].paths.size(); ++p) {
      const IngressPath& path = rules[r].paths[p];
      const std::string field = "spec.rules[" + std::to_string(r) + "].http.paths[" + std::to_string(p) + "]";
      const std::string_view text = path.path.empty() ? std::string_view("/") : path.path.view();
      const auto at = mains.locations.find({text, compared_type(path.type)});
      if (at != mains.locations.end())
        join(canary, path.backend, field, *at->second, mains);
      else
        report_without_main(canary, field, path.path.str());
    }
  }
}

void HostBuilder::join(const IngressState& canary, const Backend& backend, const std::string& field, Location& location,
                       const Mains& mains) {
  const auto in_vain = [&](std::string expected, std::string consequence) {
    report(canary, {Severity::warning, "CanaryWithoutEffect", field, shorten(location.path), std::move(expected),
                    std::move(consequence)});
  };
  const std::string all_requests = "all requests are those of Ingress " + key_of(location.owner->meta());
  if (location.canary != nullptr) {
    if (location.canary == &canary) return;
    return in_vain("one canary for a path, as in ingress-nginx",
                   "it takes no requests there: Ingress " + key_of(location.canary->meta()) + " is the older canary");
  }
  if (backend.resource) return in_vain("a Service", all_requests);
  if (mains.upstreams.contains(upstream_of(backend)))
    return in_vain("a Service that is no main one of its namespace at " + shown_name(), all_requests);
  location.canary = &canary;
  location.canary_backend = &backend;
  report_unprotected(canary, *location.owner);
}

void HostBuilder::report_without_main(const IngressState& canary, const std::string& field, const std::string& path) {
  report(canary, {Severity::warning, "CanaryWithoutMain", field, shorten(path),
                  "a path of another Ingress of namespace " + canary.ref->ns + " at " + shown_name() +
                      " with the same path and pathType, and a Service",
                  "the canary takes no requests there"});
}

// As in ingress-nginx the annotations of the main Ingress guard what its canary takes, and the canary's own guard
// nothing. Of those that say the same nobody expects more.
void HostBuilder::report_unprotected(const IngressState& canary, const IngressState& main) {
  const auto& written = main.written().meta.annotations;
  std::string without_effect;
  for (const auto& [name, value] : canary.canary->protection) {
    const auto same = written.find(state_.core_.settings.annotations_prefix + "/" + name);
    if (same == written.end() || trim_of(same->second, kBlank) != value) add_element(without_effect, name);
  }
  if (without_effect.empty() || !unprotected_.insert(&canary).second) return;
  report(canary, {Severity::warning, "CanaryProtection", "metadata.annotations", without_effect,
                  "the same annotations on the main Ingress " + key_of(main.meta()) +
                      ", which alone guards what its canary takes",
                  "they guard nothing: requests that the main Ingress lets pass reach the canary"});
}

// Where the host is none, or another's name.
void HostBuilder::report_lone_canaries() {
  for (const IngressState* o : canaries_) merge_canary(*o, {});
}

// What a location's canary is to its route, which leads to a Service.
void HostBuilder::lead_to_canary(model::Route& route, const Location& location) {
  if (location.canary == nullptr || candidate_ || route.match == model::PathMatch::slash_redirect) return;
  const ClusterKey key{route.ns.str(), location.canary_backend->service.str(), location.canary_backend->port.str()};
  const ClusterTexts& texts = state_.clusters_.texts(key);
  ClusterUser& user = out_.clusters[texts.name.str()];
  if (!user.ref) {  // what is wrong with it is said of the canary
    user.ref = location.canary->ref;
    user.use = Use::canary;
  }
  // Its pods are chosen as those of the main Ingress, sessions included, unless these are to be the main's alone.
  const model::CanaryRule& rule = location.canary->canary->rule;
  const WishPtr& wish = rule.sessions ? location.owner->wish : location.owner->wish_without_sessions;
  user.add(wish, *route.settings);
  also_lead_to(route, location, model::Role::canary, key);
  route.canary = model::Canary{rule, location.canary->ref->name, texts.service, texts.port, texts.upstream_name};
}

}  // namespace sluice::control
