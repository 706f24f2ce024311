#include <iterator>
#include <utility>

#include "control/kube/grammar.h"
#include "control/kube/guarding_options.h"
#include "control/kube/host_grants.h"
#include "control/kube/ingress/by_host.h"
#include "control/kube/ingress/closing.h"
#include "control/kube/ingress/other_names.h"
#include "control/kube/ingress/translator.h"

namespace sluice::control {

using model::Severity;

// An Ingress that is refused claims its hosts too: a mistake in it must not hand them to another namespace.
Names IngressTranslator::hosts_claimed_by(const Ingress& ingress, const model::ObjectRef& ref, Entries& entries) const {
  std::vector<std::string> claimed;  // put in order at the end: an Ingress may have tens of thousands
  const auto refuse = [&](std::string reason, std::string field, const std::string& host, std::string expected) {
    entries.push_back({ref,
                       {Severity::error, std::move(reason), std::move(field), shorten(host), std::move(expected),
                        "the rule is not served"}});
  };
  const auto claim = [&](const std::string& host, auto&& field) {
    std::string rule;
    if (may_name(*core_.model->options, ingress.meta.ns, host, rule))
      claimed.push_back(host);
    else
      refuse("HostNotAllowed", field(), host,
             "a host that host-namespaces gives to namespace " + ingress.meta.ns + ", not " + shorten(rule));
  };
  for (std::size_t i = 0; i < ingress.rules.size(); ++i) {
    const auto host = lower(ingress.rules[i].host);
    const auto field = [i] { return "spec.rules[" + std::to_string(i) + "].host"; };
    if (host.empty() || is_host_name(host, true))
      claim(host, field);
    else
      refuse("InvalidHost", field(), host, "a DNS name, with '*.' at most in front");
  }
  if (ingress.rules.empty() && ingress.default_backend) claim("", [] { return std::string("spec.defaultBackend"); });
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
  // A section for "*.example.com" is that of "app.example.com", too.
  const auto stands_for_a_host = [&](std::string_view host) {
    return std::ranges::any_of(state.hosts, [&](std::string_view of) { return wildcard_matches(host, of); });
  };
  const bool hosts = state.hosts.size() > 1 || (state.hosts.size() == 1 && !state.hosts.begin()->empty());
  // Then nobody looks at sections that name none of them.
  const bool all_named = hosts && ingress.tls.size() > 1 && !state.asks_for_names() &&
                         std::ranges::all_of(state.hosts, [&](const std::string& host) {
                           return host.empty() || secrets_of(state, host).named;
                         });
  for (std::size_t t = 0; t < ingress.tls.size(); ++t) {
    const auto section = "spec.tls[" + std::to_string(t) + "]";
    const auto& named = ingress.tls[t].hosts;
    if (named.empty() && !hosts && !state.hosts.empty())
      in_vain(section, ingress.tls[t].secret, "a rule with a host", "its certificate is never sent");
    const auto is_host = [&](std::string_view host) { return state.hosts.contains(lower(host)); };
    if (all_named && !ingress.tls[t].secret.empty() && std::ranges::none_of(named, is_host) &&
        (named.empty() || std::ranges::any_of(named, [&](auto& host) { return stands_for_a_host(lower(host)); })))
      in_vain(section, ingress.tls[t].secret, "a host that no other TLS section names",
              "its certificate is never sent");
    for (std::size_t h = 0; h < named.size(); ++h) {
      const auto host = lower(named[h]);
      if (!state.hosts.contains(host) && !stands_for_a_host(host) && rules_of(state, host).empty() &&
          !asks_for_name(state, host))
        in_vain(section + ".hosts[" + std::to_string(h) + "]", named[h], "a host that a rule of this Ingress has",
                "it changes nothing for that host");
    }
  }
}

void IngressTranslator::accept(IngressState& state, AnnotationResult&& result, Entries& entries) const {
  state.accepted = state.object;
  if (const auto keys = close_by_options(options_.guards(), result.own, result.closing); !keys.empty())
    entries.push_back({*state.ref,
                       {Severity::error, "ClosedByOption", "spec.rules", "",
                        "options that this version serves, or --accept-unprotected",
                        "its paths answer 503, as the options " + keys + " guard them and are not served"}});
  state.closing = model::shared_unless_plain(std::move(result.closing));
  state.ssl_passthrough = result.values.ssl_passthrough;
  state.says_satisfy = result.values.auth.satisfy;
  state.tls = model::shared_unless_plain(std::move(result.values.tls));
  auto& written = result.values.snippets;
  state.snippets.reset();
  if (written.configuration.block || written.server.block)
    state.snippets = Snippets{std::move(written.configuration.block), std::move(written.server.block)};
  auto& ssl = result.values.proxy_ssl;
  state.proxy_ssl.reset();
  if (!ssl.secret.empty()) state.proxy_ssl = std::move(ssl);
  state.settings = core_.shared_settings.of(std::move(result.values.settings));
  take_wish(state);
}

// The one from before where it is the same: then no Cluster has to be looked at again.
void IngressTranslator::take_wish(IngressState& state) const {
  const auto& says = state.settings->balancing;
  BalancingWish made{state.meta().created, state.meta().position, state.ref, says};
  if (state.wish && *state.wish == made) return;
  state.wish = made;
  state.wish_without_sessions = state.wish;
  if (!says || !says->affinity) return;
  model::Balancing rest = *says;
  rest.affinity = {};
  made.says = rest;
  state.wish_without_sessions = std::move(made);
}

// What closes a whole host does so from a canary too; all else is its main Ingress's to say.
void IngressTranslator::accept_canary(IngressState& state, AnnotationResult&& result) const {
  state.accepted = state.object;
  state.closing = model::shared_unless_plain(std::move(result.closing));
  state.ssl_passthrough = false;
  state.proxy_ssl = nullptr;
  state.snippets.reset();
  state.settings = options_.defaults();
  state.canary = CanaryWish{std::move(result.values.canary.rule), std::move(result.protection)};
}

Names IngressTranslator::canary_hosts_of(const Ingress& ingress, const model::ObjectRef& ref, Entries& entries) const {
  Names out = hosts_claimed_by(ingress, ref, entries);
  if (ingress.default_backend) out.insert("");
  return out;
}

// The one way from an Ingress to what it comes to, for those that are there and for those that the webhook asks about.
void IngressTranslator::translate(IngressState& state, LookUp& look_up, Entries& entries) const {
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
  if (core_.settings.disable_catch_all && ingress.default_backend) {
    entries.push_back(
        {ref,
         {Severity::error, "CatchAllDisabled", "spec.defaultBackend", ingress.default_backend->service.str(),
          "rules alone, or no --disable-catch-all", "not served"}});
    state.accepted = nullptr;
    state.hosts.clear();
    return;
  }
  if (state.over) {
    const OverCeiling& over = *state.over;
    entries.push_back(
        {ref,
         {Severity::error, "TooMany", "spec.rules", std::to_string(over.has),
          "at most " + std::to_string(over.left) +
              " rules, paths and other names, which older Ingresses of namespace " + ref.ns + " leave of " +
              (over.shared ? "its share of the " + std::to_string(core_.settings.ceilings.of_all) + " of all, "
                           : std::string("its ")) +
              std::to_string(over.most),
          "nothing of it is served, and it claims no host"}});
    state.accepted = nullptr;
    state.hosts.clear();
    state.aliases = nullptr;
    state.to_www = false;
    return;
  }
  auto result = read_annotations(ingress, core_.settings, *core_.model->options, *options_.defaults(), look_up);
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
void IngressTranslator::evaluate(const std::string& key) {
  auto it = ingresses_.find(key);
  if (it == ingresses_.end()) return core_.problems.say("ingress/" + key, {});
  ++core_.work.ingresses;
  auto& state = it->second;
  const auto before = state.hosts;
  const auto canary_before = state.canary_hosts;
  const bool served_before = state.served();
  asking_ -= state.asks_for_names();
  Entries entries;
  LookUp look_up(core_.objects, core_.readings);
  translate(state, look_up, entries);
  asking_ += state.asks_for_names();

  for (auto& host : before)
    if (!state.hosts.contains(host)) hosts_.all[host].claims.erase(&state);
  for (auto& host : state.hosts) hosts_.all[host].claims.insert(&state);
  for (auto& host : canary_before)
    if (!state.canary_hosts.contains(host)) leave_canaries(host, key);
  for (auto& host : state.canary_hosts) {
    hosts_.all.try_emplace(host);
    canaries_[host].insert(key);
  }
  const Names& hosts = state.hosts;
  for (const Names* touched : {&before, &hosts, &canary_before.all(), &state.canary_hosts.all()})
    hosts_.marked.insert(touched->begin(), touched->end());

  core_.references.set(state.names, *this, it->first, look_up.take());
  if (served_before != state.served()) serve(key, !served_before);
  core_.problems.say("ingress/" + key, std::move(entries));
}

void IngressTranslator::weigh(IngressState& state) {
  std::string why;
  const Ingress& ingress = state.written();
  set_load(state, ours(ingress, why) ? load_of(ingress, core_.settings.annotations_prefix) : 0);
}

void IngressTranslator::set_load(IngressState& state, std::size_t load) {
  loads_changed_ = true;
  if (load == state.load) return;
  const std::size_t most = core_.settings.ceilings.of_namespace;
  std::size_t& of_namespace = loads_[state.meta().ns];
  crowded_ -= of_namespace > most ? 1 : 0;
  load_ += load - state.load;
  of_namespace += load - state.load;
  crowded_ += of_namespace > most ? 1 : 0;
  state.load = load;
  if (of_namespace == 0) loads_.erase(state.meta().ns);
}

std::map<const Meta*, OverCeiling> IngressTranslator::over_now(const IngressState* candidate) const {
  std::map<std::string_view, std::vector<Loaded>> all;
  for (const auto& [key, state] : ingresses_)
    if (state.load > 0 && (!candidate || key != key_of(candidate->meta())))
      all[state.meta().ns].push_back({&state.meta(), state.load});
  if (candidate) all[candidate->meta().ns].push_back({&candidate->meta(), candidate->load});
  return who_is_over(std::move(all), core_.settings.ceilings);
}

// While nothing is above a ceiling this is all: the sums are kept with each change.
void IngressTranslator::settle_loads() {
  if (!std::exchange(loads_changed_, false)) return;
  if (load_ <= core_.settings.ceilings.of_all && crowded_ == 0 && over_ == 0) return;
  const auto over = over_now(nullptr);
  for (auto& [key, state] : ingresses_) {
    const auto at = over.find(&state.meta());
    if (at == over.end() ? !state.over : state.over && *state.over == at->second) continue;
    if (at == over.end())
      state.over = nullptr;
    else
      state.over = at->second;
    dirty_.insert(key);
  }
  over_ = over.size();
}

void IngressTranslator::review_load(IngressState& candidate) const {
  std::string why;
  if (!ours(candidate.written(), why)) return;
  candidate.load = load_of(candidate.written(), core_.settings.annotations_prefix);
  const auto known = ingresses_.find(key_of(candidate.meta()));
  const auto sum = loads_.find(candidate.meta().ns);
  const std::size_t before = known == ingresses_.end() ? 0 : known->second.load;
  const std::size_t of_namespace = (sum == loads_.end() ? 0 : sum->second) - before + candidate.load;
  const Ceilings& most = core_.settings.ceilings;
  if (load_ - before + candidate.load <= most.of_all && of_namespace <= most.of_namespace) return;
  const auto over = over_now(&candidate);
  if (const auto at = over.find(&candidate.meta()); at != over.end()) candidate.over = at->second;
}

IngressTranslator::IngressTranslator(Core& core, const OptionBuilder& options, Clusters& clusters,
                                     Certificates& certificates)
    : core_(core), options_(options), clusters_(clusters), certificates_(certificates) {
  core.references.all_of<Ingress>(*this);
  core.references.all_of<IngressClass>(*this);
  const std::string& by_default = core.settings.default_backend;
  if (by_default.empty()) return;
  const auto colon = by_default.find(':');
  const auto service = by_default.substr(0, colon);
  if (service.find('/') == std::string::npos) {
    Entries entries;
    entries.push_back({{"CommandLine", "", "--default-backend", {}},
                       {Severity::error, "InvalidFlag", "--default-backend", shorten(by_default),
                        "NS/SERVICE or NS/SERVICE:PORT", "it is not used"}});
    core.problems.say("flags/default-backend", std::move(entries));
    return;
  }
  default_backend_service_ = service;
  if (colon != std::string::npos) default_backend_port_ = by_default.substr(colon + 1);
  hosts_.all[""];
  hosts_.mark("");
}

void IngressTranslator::came(const ObjectPtr& object) {
  // A class decides whose Ingresses are ours.
  if (!std::holds_alternative<Ingress>(*object)) {
    all_dirty_ = true;
    return;
  }
  const auto key = key_of(meta(*object));
  ingresses_[key].hold(object);
  dirty_.insert(key);
  loads_changed_ = true;
}

void IngressTranslator::moved(const ObjectPtr& object) {
  const auto it = ingresses_.find(key_of(meta(*object)));
  if (!std::holds_alternative<Ingress>(*object) || it == ingresses_.end()) return;
  IngressState& state = it->second;
  if (state.accepted == state.object) state.accepted = object;
  state.hold(object);
  // Without timestamps the place in the files is the age.
  if (meta(*object).created != kNoTimestamp) return;
  loads_changed_ = true;
  if (state.wish) take_wish(state);
  for (auto& host : state.hosts)
    if (const auto h = hosts_.all.find(host);
        h != hosts_.all.end() &&
        (h->second.claims.size() > 1 || !h->second.asks_for.empty() || wishes_.contains(host) ||
         (host.empty() && !places_.empty()) || clusters_.shared(h->second.clusters)))
      hosts_.mark(host);
  for (auto& host : state.canary_hosts)
    if (const auto them = canaries_.find(host); them != canaries_.end() && them->second.size() > 1) hosts_.mark(host);
}

void IngressTranslator::went(const Object& object) {
  if (!std::holds_alternative<Ingress>(object)) {
    all_dirty_ = true;
    return;
  }
  const auto key = key_of(meta(object));
  const auto it = ingresses_.find(key);
  if (it == ingresses_.end()) return;
  IngressState& state = it->second;
  for (auto& host : state.hosts) {
    hosts_.all[host].claims.erase(&state);
    hosts_.mark(host);
  }
  for (auto& host : state.canary_hosts) {
    leave_canaries(host, key);
    hosts_.mark(host);
  }
  core_.references.set(state.names, *this, it->first, {});
  if (state.served()) serve(key, false);
  asking_ -= state.asks_for_names();
  set_load(state, 0);
  over_ -= state.over ? 1 : 0;
  ingresses_.erase(it);
  dirty_.insert(key);
}

void IngressTranslator::mark_all() {
  all_dirty_ = true;
  if (hosts_.all.contains("")) hosts_.mark("");
}

void IngressTranslator::rebuild(model::Change& change) {
  if (std::exchange(all_dirty_, false))
    for (auto& [key, state] : ingresses_) dirty_.insert(key);
  for (auto& key : dirty_)
    if (const auto it = ingresses_.find(key); it != ingresses_.end()) weigh(it->second);
  settle_loads();
  for (auto& key : std::exchange(dirty_, {})) evaluate(key);
  settle_names();
  for (auto& name : std::exchange(hosts_.marked, {})) rebuild_host(name, change);
  forget_holders();
}

}  // namespace sluice::control
