#include "control/kube/ingress/other_names.h"

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "control/kube/grammar.h"
#include "control/kube/host_grants.h"
#include "control/kube/ingress/by_host.h"
#include "control/kube/ingress/host_builder.h"
#include "control/kube/ingress/name_probe.h"

namespace sluice::control {

using model::Severity;

namespace {

// A host name, which may have underscores here as anywhere in nginx.
bool is_name(std::string_view text) {
  std::string plain(text);
  std::replace(plain.begin(), plain.end(), '_', 'a');
  return is_host_name(plain, false);
}

bool is_pattern(std::string_view name) {
  return name.starts_with('~');
}

model::Age age_of(const IngressState& state, const std::string& host) {
  const Meta& meta = state.meta();
  model::Age out{meta.created, {}, 0, key_of(meta), host.empty() ? "_" : host};
  if (meta.created == kNoTimestamp) {
    out.file = meta.origin.file.str();
    out.position = meta.position;
  }
  return out;
}

}  // namespace

std::string www_of(const std::string& host) {
  if (host.empty() || host.starts_with("*.")) return {};
  return host.starts_with("www.") ? host.substr(4) : "www." + host;
}

std::string read_alias(std::string_view text, RegexBudget& budget, std::vector<std::string>& out) {
  if (is_pattern(text)) {
    const auto pattern = text.substr(1);
    if (pattern.empty()) return "a regular expression (PCRE2) behind ~";
    if (const auto regex = budget.make(pattern); !regex) return "a regular expression (PCRE2): " + regex.error();
    out.emplace_back(text);
    return {};
  }
  std::string name = lower(text);
  if (name.ends_with('.')) name.pop_back();
  std::string_view plain = name;
  if (plain.starts_with("*."))
    plain.remove_prefix(2);
  else if (plain.starts_with('.'))
    plain.remove_prefix(1);
  else if (plain.ends_with(".*"))
    plain.remove_suffix(2);
  if (!is_name(plain)) return "a host name, *.NAME, NAME.*, .NAME, or ~ and a regular expression";
  if (name.starts_with('.')) {
    out.push_back("*" + name);
    name.erase(0, 1);
  }
  out.push_back(std::move(name));
  return {};
}

// The Ingresses with rules for the host, oldest first; with `candidate` in place of the one of its name.
std::vector<const IngressState*> IngressTranslator::claims_at(const std::string& host,
                                                              const IngressState* candidate) const {
  std::vector<const IngressState*> out;
  if (const auto known = hosts_.all.find(host); known != hosts_.all.end())
    for (const IngressState* claim : known->second.claims)
      if (!candidate || key_of(claim->meta()) != key_of(candidate->meta())) out.push_back(claim);
  if (candidate && candidate->hosts.contains(host)) out.push_back(candidate);
  std::sort(out.begin(), out.end(), [](auto* a, auto* b) { return older(a->meta(), b->meta()); });
  return out;
}

void IngressTranslator::take_names(IngressState& state, const AnnotationValues& values, Entries& entries) const {
  const std::string& ns = state.meta().ns;
  const auto say = [&](Severity severity, const char* reason, const char* annotation, const std::string& value,
                       std::string expected, std::string consequence) {
    entries.push_back({*state.ref,
                       {severity, reason, "metadata.annotations[" + std::string(annotation) + "]", shorten(value),
                        std::move(expected), std::move(consequence)}});
  };
  const auto whose = [&](const std::string& rule) {
    return "a name that host-namespaces gives to namespace " + ns + ", not " + shorten(rule);
  };
  std::string rule;
  std::vector<std::string> aliases;
  for (const auto& name : values.aliases) {
    if (may_alias(*core_.model->options, ns, name, rule))
      aliases.push_back(name);
    else
      say(Severity::error, "HostNotAllowed", "server-alias", name, whose(rule), "it is no name of its hosts");
  }
  state.aliases = model::shared_unless_plain(std::move(aliases));
  state.to_www = values.to_www;
  if (!state.to_www) return;
  for (const auto& host : state.hosts) {
    const auto other = www_of(host);
    if (other.empty())
      say(Severity::warning, "NoEffect", "from-to-www-redirect", "true", "a rule with a host that is no wildcard",
          "nothing is redirected to " + (host.empty() ? "the catch-all host" : host));
    else if (!may_name(*core_.model->options, ns, other, rule))
      say(Severity::error, "HostNotAllowed", "from-to-www-redirect", other, whose(rule),
          "requests for it are not redirected");
  }
}

bool asks_for_name(const IngressState& state, const std::string& name) {
  if (state.aliases && std::find(state.aliases->begin(), state.aliases->end(), name) != state.aliases->end())
    return true;
  return state.to_www && std::any_of(state.hosts.begin(), state.hosts.end(),
                                     [&](const std::string& host) { return www_of(host) == name; });
}

// As in ingress-nginx the first Ingress of the host that has aliases says them all. Those of one that is refused are
// kept from others too.
std::map<std::string, NameWish> IngressTranslator::wishes_of(const std::string& host,
                                                             const IngressState* candidate) const {
  std::map<std::string, NameWish> out;
  const auto claims = claims_at(host, candidate);
  if (std::ranges::none_of(claims, &IngressState::asks_for_names)) return out;
  const std::string& owner = claims.front()->meta().ns;
  bool listed = false;
  std::string rule;
  for (const IngressState* o : claims) {
    if (!o->asks_for_names() || o->meta().ns != owner || rules_of(*o, host).empty()) continue;
    if (o->aliases && !(o->accepted && listed)) {
      for (const auto& name : *o->aliases)
        if (name != host) out.try_emplace(name, NameWish{age_of(*o, host), o->ref, false});
      listed = listed || o->accepted;
    }
    if (!o->to_www) continue;
    const auto other = www_of(host);
    if (other.empty() || !may_name(*core_.model->options, owner, other, rule)) continue;
    if (const auto at = out.find(other); at == out.end() || !at->second.redirects)
      out.insert_or_assign(other, NameWish{age_of(*o, host), o->ref, true});
  }
  return out;
}

std::optional<NameHolder> IngressTranslator::holder_of(const std::string& name, const NameCandidate* candidate) const {
  if (candidate) return choose_holder(name, candidate);
  // All hosts that ask for a name ask who has it, and there may be thousands.
  const auto known = holders_.find(name);
  return known != holders_.end() ? known->second : holders_.emplace(name, choose_holder(name, nullptr)).first->second;
}

std::optional<NameHolder> IngressTranslator::choose_holder(const std::string& name,
                                                           const NameCandidate* candidate) const {
  static const std::map<std::string, NameWish> none;
  const auto known = wishes_.find(name);
  const auto& registered = known == wishes_.end() ? none : known->second;
  std::vector<std::pair<const std::string*, const NameWish*>> all;  // host, wish
  const auto add = [&](const std::string& host, const NameWish& wish) {
    // What does not count keeps the name from nobody.
    if (standing_of(name, wish, candidate) == NameStanding::counts) all.emplace_back(&host, &wish);
  };
  for (const auto& [host, wish] : registered)
    if (!candidate || (host != candidate->host && wish.age.key != key_of(candidate->ingress.meta()))) add(host, wish);
  if (candidate)
    if (const auto at = candidate->wishes.find(name); at != candidate->wishes.end()) add(candidate->host, at->second);
  if (all.empty()) return std::nullopt;
  const auto eldest = std::min_element(all.begin(), all.end(),
                                       [](const auto& a, const auto& b) { return a.second->age < b.second->age; });
  const NameWish& oldest = *eldest->second;
  const auto claims = claims_at(name, candidate ? &candidate->ingress : nullptr);
  const Text& owner =
      claims.empty() || oldest.age < age_of(*claims.front(), "") ? oldest.ref->ns : claims.front()->ref->ns;
  NameHolder out;
  out.ns = owner;
  out.by_rules = std::any_of(claims.begin(), claims.end(), [&](auto* o) { return o->ref->ns == owner; });
  // Of one namespace a redirect comes first, as its server does in ingress-nginx's configuration.
  const NameWish* best = nullptr;
  for (const auto& [host, wish] : all) {
    if (wish->ref->ns != owner) continue;
    if (best && std::pair(!best->redirects, best->age) < std::pair(!wish->redirects, wish->age)) continue;
    best = wish;
    out.host = *host;
    out.redirects = wish->redirects;
    out.ref = wish->ref;
  }
  return out;
}

NameStanding IngressTranslator::standing_of(const std::string& name, const NameWish& wish,
                                            const NameCandidate* candidate) const {
  if (!is_pattern(name)) return NameStanding::counts;
  const std::string ns = wish.ref->ns.str();
  if (!(candidate ? candidate->places : places_).contains({ns, name})) return NameStanding::too_many;
  if (!is_for_any_name(name)) return NameStanding::counts;
  std::string rule;
  if (!may_name(*core_.model->options, ns, "", rule)) return NameStanding::not_allowed;
  const IngressState* const first = candidate ? eldest_at("", &candidate->ingress) : eldest_of_catch_all();
  return first && first->ref->ns != ns && age_of(*first, "") < wish.age ? NameStanding::of_catch_all
                                                                        : NameStanding::counts;
}

// Of the names that have a place, which are few.
bool IngressTranslator::is_for_any_name(const std::string& name) const {
  if (const auto known = for_any_name_.find(name); known != for_any_name_.end()) return known->second;
  if (for_any_name_.size() > 10 * kMostNamePatterns) for_any_name_.clear();
  return for_any_name_.emplace(name, names_nothing(std::string_view(name).substr(1))).first->second;
}

const IngressState* IngressTranslator::eldest_at(const std::string& host, const IngressState* candidate) const {
  const IngressState* out = candidate && candidate->hosts.contains(host) ? candidate : nullptr;
  const auto known = hosts_.all.find(host);
  if (known == hosts_.all.end()) return out;
  for (const IngressState* claim : known->second.claims)
    if (!candidate || key_of(claim->meta()) != key_of(candidate->meta()))
      if (!out || older(claim->meta(), out->meta())) out = claim;
  return out;
}

const IngressState* IngressTranslator::eldest_of_catch_all() const {
  if (!eldest_of_catch_all_) eldest_of_catch_all_ = eldest_at("", nullptr);
  return *eldest_of_catch_all_;
}

NameCandidate IngressTranslator::candidate_for_names(const IngressState& ingress, const std::string& host,
                                                     const std::map<std::string, NameWish>& wishes) const {
  NameCandidate out{ingress, host, wishes, {}};
  if (std::ranges::none_of(wishes, [](const auto& w) { return is_pattern(w.first); })) {
    out.places = places_;
    return out;
  }
  NamePlaces all = pattern_wishes_;
  if (const auto at = hosts_.all.find(host); at != hosts_.all.end())
    for (const auto& name : at->second.asks_for)
      if (is_pattern(name)) {
        const NameWish& before = wishes_.at(name).at(host);
        all.remove(before.ref->ns.str(), before.age, name);
      }
  for (const auto& [name, wish] : wishes)
    if (is_pattern(name)) all.add(wish.ref->ns.str(), wish.age, name);
  out.places = all.give(kMostNamePatterns);
  return out;
}

void IngressTranslator::forget_holders() {
  holders_.clear();
  eldest_of_catch_all_.reset();
}

void IngressTranslator::settle_names() {
  forget_holders();
  if (asking_ == 0 && wishes_.empty()) return;
  std::set<std::string> touched;  // names that may be somebody else's now
  const auto forget = [&](const std::string& name, const std::string& host) {
    const auto at = wishes_.find(name);
    if (is_pattern(name)) pattern_wishes_.remove(at->second.at(host).ref->ns.str(), at->second.at(host).age, name);
    at->second.erase(host);
    if (at->second.empty()) wishes_.erase(at);
    touched.insert(name);
  };
  for (const auto& host : hosts_.marked) {
    if (wishes_.contains(host)) touched.insert(host);
    const auto at = hosts_.all.find(host);
    if (at == hosts_.all.end()) continue;
    auto now = wishes_of(host, nullptr);
    Names names;
    for (const auto& [name, wish] : now) names.insert(name);
    for (const auto& name : at->second.asks_for)
      if (!names.contains(name)) forget(name, host);
    for (auto& [name, wish] : now) {
      if (wish.redirects) touched.insert(name);  // it has the certificates of the host
      if (const auto all = wishes_.find(name); all != wishes_.end())
        if (const auto had = all->second.find(host); had != all->second.end()) {
          if (had->second == wish) continue;
          forget(name, host);
        }
      if (is_pattern(name)) pattern_wishes_.add(wish.ref->ns.str(), wish.age, name);
      wishes_[name].emplace(host, std::move(wish));
      touched.insert(name);
    }
    at->second.asks_for = std::move(names);
  }
  const auto before = std::exchange(places_, pattern_wishes_.give(kMostNamePatterns));
  const auto& now = places_;
  // Whose a name is that stands for any goes by whose the catch-all is.
  const bool catch_all = hosts_.marked.contains("");
  for (const auto* places : {&before, &now})
    for (const auto& place : *places)
      if (!(places == &before ? now : before).contains(place) || (catch_all && is_for_any_name(place.second)))
        touched.insert(place.second);
  for (const auto& name : touched) {
    bool redirects = false;
    if (const auto all = wishes_.find(name); all != wishes_.end())
      for (const auto& [host, wish] : all->second) {
        hosts_.marked.insert(host);
        redirects = redirects || wish.redirects;
      }
    if (redirects) hosts_.all[name];
    if (hosts_.all.contains(name)) hosts_.marked.insert(name);
  }
}

}  // namespace sluice::control
