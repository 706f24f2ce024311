#include <iterator>
#include <utility>

#include "control/kube/by_host.h"
#include "control/kube/closing.h"
#include "control/kube/grammar.h"
#include "control/kube/guarding_options.h"
#include "control/kube/host_grants.h"
#include "control/kube/other_names.h"
#include "control/kube/state.h"

namespace sluice::control {

using model::Severity;

// An Ingress that is refused claims its hosts too: a mistake in it must not hand them to another namespace.
Names Store::State::hosts_claimed_by(const Ingress& ingress, const model::ObjectRef& ref, Entries& entries) const {
  std::vector<std::string> claimed;  // put in order at the end: an Ingress may have tens of thousands
  const auto refuse = [&](std::string reason, std::string field, const std::string& host, std::string expected) {
    entries.push_back({ref,
                       {Severity::error, std::move(reason), std::move(field), shorten(host), std::move(expected),
                        "the rule is not served"}});
  };
  const auto claim = [&](const std::string& host, std::string field) {
    std::string rule;
    if (may_name(*model->options, ingress.meta.ns, host, rule))
      claimed.push_back(host);
    else
      refuse("HostNotAllowed", std::move(field), host,
             "a host that host-namespaces gives to namespace " + ingress.meta.ns + ", not " + shorten(rule));
  };
  for (std::size_t i = 0; i < ingress.rules.size(); ++i) {
    const auto host = lower(ingress.rules[i].host);
    const auto field = "spec.rules[" + std::to_string(i) + "].host";
    if (host.empty() || is_host_name(host, true))
      claim(host, field);
    else
      refuse("InvalidHost", field, host, "a DNS name, with '*.' at most in front");
  }
  if (ingress.rules.empty() && ingress.default_backend) claim("", "spec.defaultBackend");
  return {std::make_move_iterator(claimed.begin()), std::make_move_iterator(claimed.end())};
}

// What TLS sections say of hosts that the Ingress has no rule for. Their Secrets may still be those of other hosts.
void report_tls_without_rule(const IngressState& state, Entries& entries) {
  const Ingress& ingress = state.written();
  const auto in_vain = [&](std::string field, const std::string& value, std::string expected, std::string consequence) {
    entries.push_back({*state.ref,
                       {Severity::warning, "NoEffect", std::move(field), shorten(value), std::move(expected),
                        std::move(consequence)}});
  };
  const bool hosts = state.hosts.size() > 1 || (state.hosts.size() == 1 && !state.hosts.begin()->empty());
  for (std::size_t t = 0; t < ingress.tls.size(); ++t) {
    const auto section = "spec.tls[" + std::to_string(t) + "]";
    const auto& named = ingress.tls[t].hosts;
    if (named.empty() && !hosts && !state.hosts.empty())
      in_vain(section, ingress.tls[t].secret, "a rule with a host", "its certificate is never sent");
    for (std::size_t h = 0; h < named.size(); ++h) {
      const auto host = lower(named[h]);
      if (!state.hosts.contains(host) && rules_of(state, host).empty() && !asks_for_name(state, host))
        in_vain(section + ".hosts[" + std::to_string(h) + "]", named[h], "a host that a rule of this Ingress has",
                "it changes nothing for that host");
    }
  }
}

void Store::State::accept(IngressState& state, AnnotationResult&& result, Entries& entries) {
  state.accepted = state.object;
  if (const auto keys = close_by_options(guards, result.own, result.closing); !keys.empty())
    entries.push_back({*state.ref,
                       {Severity::error, "ClosedByOption", "spec.rules", "",
                        "options that this version serves, or --accept-unprotected",
                        "its paths answer 503, as the options " + keys + " guard them and are not served"}});
  state.closing = model::shared_unless_plain(std::move(result.closing));
  state.ssl_passthrough = result.values.ssl_passthrough;
  state.tls = model::shared_unless_plain(std::move(result.values.tls));
  auto& ssl = result.values.proxy_ssl;
  state.proxy_ssl.reset();
  if (!ssl.secret.empty()) state.proxy_ssl = std::move(ssl);
  state.settings = shared_settings.of(std::move(result.values.settings));
  take_wish(state);
}

// What closes a whole host does so from a canary too; all else is its main Ingress's to say.
void Store::State::accept_canary(IngressState& state, AnnotationResult&& result) const {
  state.accepted = state.object;
  state.closing = model::shared_unless_plain(std::move(result.closing));
  state.ssl_passthrough = false;
  state.proxy_ssl = nullptr;
  state.settings = defaults;
  state.canary = CanaryWish{std::move(result.values.canary.rule), std::move(result.protection)};
}

Names Store::State::canary_hosts_of(const Ingress& ingress, const model::ObjectRef& ref, Entries& entries) const {
  Names out = hosts_claimed_by(ingress, ref, entries);
  if (ingress.default_backend) out.insert("");
  return out;
}

// The one way from an Ingress to what it comes to, for those that are there and for those that the webhook asks about.
void Store::State::translate(IngressState& state, LookUp& look_up, Entries& entries) {
  const Ingress& ingress = state.written();
  const model::ObjectRef& ref = *state.ref;
  state.canary = nullptr;
  state.canary_hosts = {};
  state.by_host = nullptr;
  std::string why;
  if (!ours(ingress, why)) {
    entries.push_back(
        {ref,
         {Severity::ignored, "OtherClass", "spec.ingressClassName",
          ingress.class_name ? shorten(*ingress.class_name) : "", "a class of ours", "not served: " + why}});
    state.accepted = nullptr;
    state.hosts.clear();
    return;
  }
  auto result = read_annotations(ingress, settings, *model->options, *defaults, look_up);
  for (auto& p : result.problems) entries.push_back({ref, p});
  const bool canary = result.canary;
  state.wants(result.values);
  state.by_host = sort_by_host(ingress);
  // A canary makes no host of its own and owns none.
  state.hosts = canary ? Names{} : hosts_claimed_by(ingress, ref, entries);
  static const AnnotationValues none;
  take_names(state, canary ? none : result.values, entries);
  if (!result.dropped && canary) {
    state.canary_hosts = canary_hosts_of(ingress, ref, entries);
    accept_canary(state, std::move(result));
  } else if (!result.dropped) {
    accept(state, std::move(result), entries);
  } else {
    // Not kept in its previous version, as ingress-nginx would: a directory means the same after a restart.
    state.accepted = nullptr;
  }
  if (!canary) report_tls_without_rule(state, entries);
  if (state.hosts.empty() && state.canary_hosts.empty() && entries.empty())
    entries.push_back(
        {ref, {Severity::warning, "Empty", "spec.rules", "", "rules or a defaultBackend", "it serves nothing"}});
}

// Translates an Ingress that is there, and marks the hosts that this touches.
void Store::State::evaluate(const std::string& key) {
  auto it = ingresses.find(key);
  if (it == ingresses.end()) return say("ingress/" + key, {});
  ++work.ingresses;
  auto& state = it->second;
  const auto before = state.hosts;
  const auto canary_before = state.canary_hosts;
  const bool served_before = state.served();
  const bool was_canary = static_cast<bool>(state.canary);
  Entries entries;
  LookUp look_up(secrets, config_maps);
  translate(state, look_up, entries);

  for (auto& host : before)
    if (!state.hosts.contains(host)) hosts[host].claims.erase(key);
  for (auto& host : state.hosts) hosts[host].claims.insert(key);
  for (auto& host : canary_before)
    if (!state.canary_hosts.contains(host)) leave_canaries(host, key);
  for (auto& host : state.canary_hosts) {
    hosts.try_emplace(host);
    canaries[host].insert(key);
  }
  dirty_hosts.insert(canary_before.begin(), canary_before.end());
  // What is said of its Services differs between the two.
  if (was_canary != static_cast<bool>(state.canary))
    for (const Names* names : {&before, &canary_before.all()})
      for (const auto& host : *names) dirty_clusters.insert(hosts[host].clusters.begin(), hosts[host].clusters.end());
  dirty_hosts.insert(state.canary_hosts.begin(), state.canary_hosts.end());
  dirty_hosts.insert(before.begin(), before.end());
  dirty_hosts.insert(state.hosts.begin(), state.hosts.end());

  if (references.set("Ingress/" + key, look_up.take())) references_changed = true;
  if (served_before != state.served()) served_changed[key] = !served_before;
  say("ingress/" + key, std::move(entries));
}

}  // namespace sluice::control
