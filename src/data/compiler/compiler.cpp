#include "data/compiler/compiler.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "data/balance/placement.h"
#include "data/compiler/certificates.h"
#include "data/compiler/numbers.h"
#include "data/compiler/plans.h"
#include "data/compiler/tls_policies.h"
#include "data/filter/order.h"
#include "data/plan/choice.h"
#include "data/proxy/edit.h"
#include "data/proxy/program.h"
#include "data/routing/host_routes.h"
#include "data/routing/table.h"
#include "data/snapshot/streams.h"
#include "net/tls/tls.h"

namespace sluice::data {

namespace {

struct HostEntry;
using AliasPairs = StringMap<std::vector<net::tls::KeyPairPtr>>;
using HostSet = std::unordered_set<HostEntry*>;

struct ClusterEntry {
  std::string name;
  std::shared_ptr<const model::Cluster> spec;  // null: the Model has none of this name
  std::shared_ptr<const Placement> placement;  // of `spec`
  ClusterId id = kNoCluster;
  HostSet hosts;  // whose routes name it
};

struct CertificateEntry {
  std::string name;
  StoredPair stored;
  HostSet hosts;  // that name it
};

struct HostEntry {
  std::shared_ptr<const model::Host> spec;  // null for no longer than it takes to compile all anew
  std::vector<ClusterEntry*> clusters;
  std::vector<CertificateEntry*> certificates;
  std::shared_ptr<const HostRoutes> compiled;    // as published
  std::vector<net::tls::KeyPairPtr> pairs;       // as published
  std::unique_ptr<AliasPairs> alias_pairs;       // likewise, of other names that have some; null: none has
  const CertificateEntry* first_pair = nullptr;  // the Secret of pairs.front()
  bool stale_routes = false, stale_pairs = false;
  bool has_policy = false;  // as published
};

const model::Shared<model::RouteSettings>& default_settings() {
  static const model::Shared settings = model::RouteSettings();
  return settings;
}

// The metric labels of a route, but for its host; `canary`: the upstream name of the one that takes its requests.
auto labels_of(const model::Route& route, std::string_view canary = {}) {
  return std::tuple(route.ns.view(), route.ingress.view(), route.service.view(), route.location.view(), canary);
}
std::string_view canary_of(const model::Route& route) {
  return route.canary ? route.canary->upstream_name.view() : std::string_view();
}

// ingress-nginx compares the path as the Ingress wrote it.
bool under_any(const model::Route& route, const std::vector<std::string>& locations) {
  const std::string_view path = route.location.empty() ? route.path.view() : route.location.view();
  return std::any_of(locations.begin(), locations.end(),
                     [&](const std::string& l) { return !l.empty() && path.starts_with(l); });
}

template <class T>
std::shared_ptr<const T> find_part(const StringMap<std::shared_ptr<const T>>& parts, const std::string& name) {
  auto at = parts.find(name);
  return at == parts.end() ? nullptr : at->second;
}

// Names of the Model and names known from before, each once: what a first load or a resynchronisation looks at.
template <class Known, class Parts>
std::vector<std::string> all_names(const Known& known, const Parts& parts) {
  std::vector<std::string> names;
  names.reserve(parts.size());
  for (const auto& [name, entry] : known)
    if (!parts.contains(name)) names.push_back(name);
  for (const auto& [name, part] : parts) names.push_back(name);
  return names;
}

// That of our first listener of TLS, as in ingress-nginx; where there is none, 0.
std::uint16_t https_port(const model::OwnListeners* own) {
  if (own == nullptr) return 0;
  const auto https = std::find_if(own->all.begin(), own->all.end(), [](const auto& l) { return l.what == "https"; });
  return https == own->all.end() ? std::uint16_t{0} : https->port;
}

std::int64_t unix_now() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

struct Compiler::State {
  std::uint64_t version = 0;
  std::shared_ptr<const Snapshot> snapshot;

  StringMap<ClusterEntry> clusters;
  StringMap<CertificateEntry> certificates;
  StringMap<HostEntry> hosts;
  ClusterNumbers cluster_numbers;
  Plans plans;
  TlsPolicies tls_policies;
  std::size_t hosts_with_policies = 0;
  std::uint32_t next_series = 0;  // numbers of metric label sets are not used again
  std::unordered_multimap<std::size_t, CertificateEntry*> pairs_by_text;

  net::tls::KeyPairPtr self_signed;
  std::string default_certificate;
  bool fallback_may_differ = true;

  bool over = false;  // all is to be compiled and published anew
  // While a batch is compiled.
  std::vector<HostEntry*> stale;
  std::vector<ClusterUpdate> cluster_updates;
  bool numbers_changed = false;  // a Cluster came or went

  // Problems by "kind of part" + name; the Report is made of them when it is asked for.
  std::map<std::string, std::vector<model::Entry>> problems;
  bool report_stale = true;
  model::Report report;

  void stale_routes(HostEntry& host) {
    if (!host.stale_routes && !host.stale_pairs) stale.push_back(&host);
    host.stale_routes = true;
  }
  void stale_pairs(HostEntry& host) {
    if (!host.stale_routes && !host.stale_pairs) stale.push_back(&host);
    host.stale_pairs = true;
  }

  ClusterEntry& cluster(const std::string& name) {
    ClusterEntry& entry = clusters[name];
    if (entry.name.empty()) entry.name = name;
    return entry;
  }
  CertificateEntry& certificate(const std::string& name) {
    CertificateEntry& entry = certificates[name];
    if (entry.name.empty()) entry.name = name;
    return entry;
  }
  void drop_if_unused(const ClusterEntry& entry) {
    if (!entry.spec && entry.hosts.empty()) clusters.erase(clusters.find(entry.name));
  }
  void drop_if_unused(const CertificateEntry& entry) {
    if (!entry.stored.spec && entry.hosts.empty()) certificates.erase(certificates.find(entry.name));
  }

  void count_policy(HostEntry& host, bool has) noexcept {
    hosts_with_policies = hosts_with_policies + has - host.has_policy;
    host.has_policy = has;
  }

  void forget_state();
  void set_problems(const std::string& key, std::vector<model::Entry> now);
  void update_clusters(const model::Model& model, const std::vector<std::string>& names);
  void update_certificates(const model::Model& model, const std::vector<std::string>& names);
  void forget_text(const CertificateEntry& entry);
  const StoredPair* twin_of(const model::Certificate& spec) const;
  ParsedPairs read_new_pairs(const model::Model& model, const std::vector<std::string>& names) const;
  void update_hosts(const model::Model& model, const std::vector<std::string>& names, std::vector<HostChange>& routes,
                    std::vector<net::tls::CertificateChange>& pairs);
  void unlink(HostEntry& host);
  void link(HostEntry& host);
  std::shared_ptr<const HostRoutes> compile_routes(HostEntry& host, const model::Options& options);
  std::vector<net::tls::KeyPairPtr> choose_for(std::string_view name, const std::vector<model::HostSecrets>& named,
                                               const CertificateEntry*& first, std::vector<model::Entry>& found) const;
  bool choose(HostEntry& host, std::vector<net::tls::CertificateChange>& aliases);
  net::tls::KeyPairPtr fallback() const;
};

void Compiler::State::set_problems(const std::string& key, std::vector<model::Entry> now) {
  auto at = problems.find(key);
  if (at == problems.end() ? now.empty() : at->second == now) return;
  report_stale = true;
  if (now.empty()) {
    problems.erase(at);
  } else {
    problems[key] = std::move(now);
  }
}

// Whatever was half done. What has a number keeps it: workers know it by that.
void Compiler::State::forget_state() {
  stale.clear();
  plans.end_batch();
  cluster_updates.clear();
  pairs_by_text.clear();
  problems.clear();
  report_stale = fallback_may_differ = true;
  for (auto& [name, host] : hosts) {
    host.spec = nullptr;
    host.clusters.clear();
    host.certificates.clear();
    host.pairs.clear();
    host.alias_pairs.reset();
    host.stale_routes = host.stale_pairs = false;
  }
  for (auto& [name, entry] : certificates) {
    entry.name = name;
    entry.stored.spec = nullptr;
    entry.hosts.clear();
  }
  std::erase_if(clusters, [](const auto& c) { return !c.second.spec || c.second.id == kNoCluster; });
  for (ClusterId id = 0; id < cluster_numbers.end(); ++id) cluster_updates.push_back({id, nullptr});
  for (auto& [name, entry] : clusters) {
    entry.name = name;
    entry.hosts.clear();
    cluster_updates[entry.id].cluster = entry.spec;
    cluster_updates[entry.id].placement = entry.placement;
  }
}

// Clusters come first: routes take their numbers.
void Compiler::State::update_clusters(const model::Model& model, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    auto spec = find_part(model.clusters, name);
    auto at = clusters.find(name);
    if (at == clusters.end() && !spec) continue;
    ClusterEntry& entry = at == clusters.end() ? cluster(name) : at->second;
    if (entry.spec == spec) continue;
    const bool existed = entry.spec != nullptr;
    const bool equal = existed && spec && *entry.spec == *spec;
    // First what may fail for lack of memory: the two belong together.
    auto placement = equal ? entry.placement : spec ? Placement::of(*spec, entry.placement.get()) : nullptr;
    entry.spec = spec;
    entry.placement = std::move(placement);
    if (equal) continue;
    if (existed && spec) {
      cluster_updates.push_back({entry.id, spec, entry.placement});
      continue;
    }
    if (spec) {
      entry.id = cluster_numbers.take(version);
      cluster_updates.push_back({entry.id, spec, entry.placement});
    } else {
      cluster_updates.push_back({entry.id, nullptr});
      cluster_numbers.give_back(entry.id, version);
      entry.id = kNoCluster;
    }
    numbers_changed = true;
    for (HostEntry* host : entry.hosts) stale_routes(*host);
    drop_if_unused(entry);
  }
}

void Compiler::State::forget_text(const CertificateEntry& entry) {
  if (!entry.stored.spec) return;
  auto [from, to] = pairs_by_text.equal_range(text_hash(*entry.stored.spec));
  for (; from != to; ++from) {
    if (from->second != &entry) continue;
    pairs_by_text.erase(from);
    return;
  }
}

const StoredPair* Compiler::State::twin_of(const model::Certificate& spec) const {
  auto [from, to] = pairs_by_text.equal_range(text_hash(spec));
  return from == to ? nullptr : &from->second->stored;
}

ParsedPairs Compiler::State::read_new_pairs(const model::Model& model, const std::vector<std::string>& names) const {
  std::vector<const model::Certificate*> specs;
  std::unordered_set<std::size_t> texts;
  for (const std::string& name : names) {
    const auto spec = find_part(model.certificates, name);
    const auto at = certificates.find(name);
    const bool same = at != certificates.end() && at->second.stored.spec == spec;
    if (spec && !same && twin_of(*spec) == nullptr && texts.insert(text_hash(*spec)).second)
      specs.push_back(spec.get());
  }
  return read_ahead(specs);
}

void Compiler::State::update_certificates(const model::Model& model, const std::vector<std::string>& names) {
  const ParsedPairs ahead = read_new_pairs(model, names);
  for (const std::string& name : names) {
    auto spec = find_part(model.certificates, name);
    auto at = certificates.find(name);
    if (at == certificates.end() && !spec) continue;
    CertificateEntry& entry = at == certificates.end() ? certificate(name) : at->second;
    if (entry.stored.spec == spec) continue;
    const auto before = entry.stored.pair;
    forget_text(entry);
    if (spec) {
      const StoredPair* twin = twin_of(*spec);
      read_pair(entry.stored, spec, twin, ahead);
      pairs_by_text.emplace(text_hash(*spec), &entry);
    } else {
      entry.stored = {};
    }
    if (name == default_certificate) fallback_may_differ = true;
    if (entry.stored.pair != before)
      for (HostEntry* host : entry.hosts) stale_pairs(*host);
    set_problems("certificate " + name, problems_of(entry.stored, unix_now()));
    drop_if_unused(entry);
  }
}

void Compiler::State::unlink(HostEntry& host) {
  for (ClusterEntry* entry : host.clusters) {
    entry->hosts.erase(&host);
    drop_if_unused(*entry);
  }
  for (CertificateEntry* entry : host.certificates) {
    entry->hosts.erase(&host);
    drop_if_unused(*entry);
  }
  host.clusters.clear();
  host.certificates.clear();
}

void Compiler::State::link(HostEntry& host) {
  const auto lead_to = [&](const Text& name) {
    if (name.empty() || (!host.clusters.empty() && host.clusters.back()->name == name.view())) return;
    ClusterEntry& entry = cluster(name.str());
    if (entry.hosts.insert(&host).second) host.clusters.push_back(&entry);
  };
  for (const model::Route& route : host.spec->routes) {
    lead_to(route.cluster);
    if (!route.further) continue;
    for (const model::FurtherCluster& further : *route.further) lead_to(further.cluster);
  }
  const auto name_all = [&](const std::vector<model::HostSecrets>& all) {
    for (const model::HostSecrets& named : all) {
      for (const std::string& name : named.secrets) {
        CertificateEntry& entry = certificate(name);
        if (entry.hosts.insert(&host).second) host.certificates.push_back(&entry);
      }
    }
  };
  name_all(host.spec->certificates);
  for (const model::Alias& alias : host.spec->aliases) name_all(alias.certificates);
}

std::shared_ptr<const HostRoutes> Compiler::State::compile_routes(HostEntry& host, const model::Options& options) {
  const model::Host& spec = *host.spec;
  // A label set keeps its number for as long as a route of the host has it.
  std::map<decltype(labels_of(spec.routes.front())), std::uint32_t> numbers;
  if (host.compiled)
    for (const Route& route : host.compiled->routes()) {
      numbers.emplace(labels_of(*route.spec), route.series);
      if (route.choice != nullptr)
        numbers.emplace(labels_of(*route.spec, canary_of(*route.spec)), route.choice->series());
    }
  std::vector<Route> routes;
  routes.reserve(spec.routes.size());
  std::vector<std::shared_ptr<const void>> used;
  std::shared_ptr<const FurtherClusters> further;  // those of the route before: most routes of a host have the same
  std::shared_ptr<const Program> program;          // likewise
  std::shared_ptr<const Choice> choice;            // likewise: two routes of one path have the same
  const auto number_of = [&](const auto& labels) {
    const auto [at, added] = numbers.try_emplace(labels, next_series);
    if (added) ++next_series;
    return at->second;
  };
  for (const model::Route& from : spec.routes) {
    Route& route = routes.emplace_back();
    route.spec = &from;
    route.settings = from.settings ? from.settings.get() : default_settings().get();
    if (auto at = clusters.find(from.cluster.view()); at != clusters.end()) route.cluster = at->second.id;
    if (from.further) {
      FurtherClusters now;
      now.fill(kNoCluster);
      for (const auto& [role, name] : *from.further)
        if (auto at = clusters.find(name.view()); at != clusters.end())
          now[static_cast<std::size_t>(role)] = at->second.id;
      if (!further || *further != now) used.push_back(further = std::make_shared<const FurtherClusters>(now));
      route.further = further.get();
    }
    route.series = number_of(labels_of(from));
    route.forwards = !from.cluster.empty() && !model::is_slash_redirect(from.match);
    if (from.canary && route.further != nullptr && route.forwards) {
      const std::uint32_t series = number_of(labels_of(from, canary_of(from)));
      if (!choice || choice->series() != series || choice->spec() != *from.canary)
        used.push_back(choice = std::make_shared<const Choice>(from.canary, series));
      route.choice = choice.get();
    }
    if (route.settings->snippet) {
      if (!program || &program->of() != route.settings->snippet.get())
        used.push_back(program = std::make_shared<const Program>(route.settings->snippet));
      route.program = program.get();
    }
    route.edited = route.program != nullptr || is_edited(*route.settings) || sets_fields(*route.settings);
    route.host_tls = spec.tls || from.tls;
    route.passthrough = spec.passthrough && route.forwards && from.path.view() == "/";
    route.no_tls_redirect = under_any(from, options.no_tls_redirect_locations);
    const auto& wanted = *route.settings;
    const bool to_https =
        !route.no_tls_redirect && (wanted.force_ssl_redirect || (wanted.ssl_redirect && route.host_tls));
    auto plan = plans.of(from.settings ? from.settings : default_settings(), to_https);
    route.plan = plan.get();
    if (plan && std::find(used.begin(), used.end(), plan) == used.end()) used.push_back(std::move(plan));
  }
  std::shared_ptr<net::tls::ServerContext> tls;
  std::vector<model::Entry> found;
  if (spec.tls_policy) {
    auto made = tls_policies.of(*spec.tls_policy, options, spec.name);
    tls = std::move(made.context);
    found = std::move(made.problems);
  }
  set_problems("TLS of host " + spec.name, std::move(found));
  count_policy(host, static_cast<bool>(spec.tls_policy));
  host.compiled = HostRoutes::make(host.spec, routes, std::move(used), std::move(tls));
  return host.compiled;
}

// The pairs of the first Ingress that has one for the name, as in ingress-nginx; never those of several side by side,
// or a younger Ingress would choose what clients of another key type see. `first`: the Secret of the first of them.
std::vector<net::tls::KeyPairPtr> Compiler::State::choose_for(std::string_view host,
                                                              const std::vector<model::HostSecrets>& certificates_of,
                                                              const CertificateEntry*& first,
                                                              std::vector<model::Entry>& found) const {
  std::vector<net::tls::KeyPairPtr> pairs;
  const model::HostSecrets* shown = nullptr;
  const StoredPair* unusable = nullptr;
  for (const model::HostSecrets& one : certificates_of) {
    std::vector<net::tls::KeyPairPtr> named;
    std::map<net::tls::KeyPairPtr, const CertificateEntry*> secret_of;
    for (const std::string& name : one.secrets) {
      const CertificateEntry& entry = certificates.find(name)->second;
      if (!entry.stored.pair) continue;
      named.push_back(entry.stored.pair);
      secret_of.emplace(entry.stored.pair, &entry);
      if (unusable == nullptr && !one.former) unusable = &entry.stored;
    }
    auto chosen = choose_pairs(host, named);
    if (chosen.empty()) continue;
    if (shown == nullptr) {
      shown = &one;
      first = secret_of[chosen.front()];
      pairs = std::move(chosen);
      const auto sent = [&](const auto& pair) { return std::find(pairs.begin(), pairs.end(), pair) != pairs.end(); };
      for (const std::string& name : one.secrets) {
        const StoredPair& stored = certificates.find(name)->second.stored;
        if (!one.named || !stored.pair || sent(stored.pair)) continue;
        found.push_back(stored.pair->covers(host) ? not_sent(stored, host) : mismatch(stored, host, &first->stored));
      }
    } else if (!one.former && chosen != pairs) {
      found.push_back(not_shown(one, *shown, host));
    }
  }
  if (unusable != nullptr && (shown == nullptr || shown->former))
    found.push_back(mismatch(*unusable, host, shown == nullptr ? nullptr : &first->stored));
  return pairs;
}

// True when the host has others than before; `aliases`: what its other names have now, where that differs.
bool Compiler::State::choose(HostEntry& host, std::vector<net::tls::CertificateChange>& aliases) {
  std::vector<model::Entry> found;
  host.first_pair = nullptr;
  const std::string& host_name = host.spec->name;
  auto pairs = choose_for(host_name, host.spec->certificates, host.first_pair, found);
  const auto former = std::exchange(host.alias_pairs, nullptr);
  AliasPairs before = former ? std::move(*former) : AliasPairs(), now;
  for (const model::Alias& alias : host.spec->aliases) {
    const CertificateEntry* first = nullptr;
    auto own = choose_for(alias.name, alias.certificates, first, found);
    if (own.empty()) continue;
    const auto had = before.find(alias.name);
    if (had == before.end() || had->second != own) aliases.push_back({alias.name, own});
    if (had != before.end()) before.erase(had);
    now.emplace(alias.name, std::move(own));
  }
  if (!now.empty()) host.alias_pairs = std::make_unique<AliasPairs>(std::move(now));
  for (const auto& [name, gone] : before) aliases.push_back({name, {}});
  set_problems("host " + host_name, std::move(found));
  if (pairs == host.pairs) return false;
  host.pairs = std::move(pairs);
  return true;
}

void Compiler::State::update_hosts(const model::Model& model, const std::vector<std::string>& names,
                                   std::vector<HostChange>& routes, std::vector<net::tls::CertificateChange>& pairs) {
  for (const std::string& name : names) {
    auto spec = find_part(model.hosts, name);
    auto at = hosts.find(name);
    if (at == hosts.end()) {
      if (!spec) continue;
      at = hosts.try_emplace(name).first;
    }
    HostEntry& host = at->second;
    if (spec && host.spec == spec) continue;
    if (spec) {
      host.spec = spec;
      // The new links come first: an entry that both forms name is not dropped and made again.
      auto old_clusters = std::exchange(host.clusters, {});
      auto old_certificates = std::exchange(host.certificates, {});
      for (auto* entry : old_clusters) entry->hosts.erase(&host);
      for (auto* entry : old_certificates) entry->hosts.erase(&host);
      link(host);
      for (auto* entry : old_clusters) drop_if_unused(*entry);
      for (auto* entry : old_certificates) drop_if_unused(*entry);
      stale_routes(host);
      stale_pairs(host);
      continue;
    }
    routes.push_back({name, nullptr});
    if (!host.pairs.empty()) pairs.push_back({name, {}});
    if (host.alias_pairs)
      for (const auto& [alias, of] : *host.alias_pairs) pairs.push_back({alias, {}});
    set_problems("host " + name, {});
    set_problems("TLS of host " + name, {});
    count_policy(host, false);
    unlink(host);
    if (host.stale_routes || host.stale_pairs) std::erase(stale, &host);
    hosts.erase(at);
  }
  for (HostEntry* host : std::exchange(stale, {})) {
    const std::string& name = host->spec->name;
    if (host->stale_routes) routes.push_back({name, compile_routes(*host, *model.options)});
    // The catch-all has no name that a client could ask for.
    if (host->stale_pairs && choose(*host, pairs) && !name.empty()) pairs.push_back({name, host->pairs});
    host->stale_routes = host->stale_pairs = false;
  }
  plans.end_batch();
  // A name may go from one host to another, or become one itself.
  std::stable_partition(pairs.begin(), pairs.end(), [](const auto& change) { return change.pairs.empty(); });
}

net::tls::KeyPairPtr Compiler::State::fallback() const {
  auto at = certificates.find(default_certificate);
  return at != certificates.end() && at->second.stored.pair ? at->second.stored.pair : self_signed;
}

Compiler::Compiler() : state_(std::make_unique<State>()) {
  state_->self_signed = net::tls::self_signed();
}
Compiler::~Compiler() = default;

Publication Compiler::compile(const model::Model& model, const model::Change& change) {
  State& s = *state_;
  const Snapshot* before = s.over ? nullptr : s.snapshot.get();
  const bool all = change.everything || before == nullptr;
  ++s.version;
  if (s.over) s.forget_state();

  auto next = std::make_shared<Snapshot>();
  next->version = s.version;
  next->options = model.options ? model.options : std::make_shared<const model::Options>();
  next->own = model.own;
  next->https_port = https_port(next->own.get());
  const bool options_changed =
      before == nullptr || (before->options != next->options && !(*before->options == *next->options));
  for (const bool secured : {false, true})
    next->process[secured] = options_changed ? plan_of_process(*next->options, secured) : before->process[secured];
  if (all || change.default_certificate) {
    s.default_certificate = model.default_certificate;
    s.fallback_may_differ = true;
  }
  if (before != nullptr && before->options->no_tls_redirect_locations != next->options->no_tls_redirect_locations)
    for (auto& [name, host] : s.hosts) s.stale_routes(host);
  if (before != nullptr && options_changed && server_policy(*before->options) != server_policy(*next->options))
    for (auto& [name, host] : s.hosts)
      if (host.has_policy) s.stale_routes(host);

  s.update_clusters(model, all ? all_names(s.clusters, model.clusters) : change.clusters);
  s.update_certificates(model, all ? all_names(s.certificates, model.certificates) : change.certificates);
  std::vector<HostChange> routes;
  std::vector<net::tls::CertificateChange> pairs;
  s.update_hosts(model, all ? all_names(s.hosts, model.hosts) : change.hosts, routes, pairs);

  next->routes = before != nullptr && routes.empty()
                     ? before->routes
                     : make_route_table(before ? before->routes.get() : nullptr, routes);
  if (std::exchange(s.numbers_changed, false) || all || change.streams) {
    const auto number_of = [&s](const std::string& cluster) {
      const auto at = s.clusters.find(cluster);
      return at == s.clusters.end() ? kNoCluster : at->second.id;
    };
    static const model::StreamListeners none;
    next->streams = StreamTable::make(model.streams ? *model.streams : none,
                                      before != nullptr ? before->streams : nullptr, number_of);
  } else {
    next->streams = before->streams;
  }
  if (s.hosts_with_policies > 0)
    next->contexts = before != nullptr && before->contexts && before->routes == next->routes
                         ? before->contexts
                         : std::make_shared<const HostContexts>(next->routes);
  const bool reject = next->options->ssl_reject_handshake;
  const bool other_table = before == nullptr || !pairs.empty() || before->certificates->reject_unknown() != reject ||
                           (s.fallback_may_differ && before->certificates->fallback() != s.fallback());
  next->certificates =
      other_table ? net::tls::make_table(before ? before->certificates.get() : nullptr, pairs, s.fallback(), reject)
                  : before->certificates;
  const bool other_fallback = before == nullptr || before->certificates->fallback() != next->certificates->fallback();
  s.fallback_may_differ = false;
  s.snapshot = next;
  if (std::exchange(s.over, false))
    std::erase_if(s.certificates, [](const auto& c) { return !c.second.stored.spec && c.second.hosts.empty(); });

  Publication publication;
  publication.snapshot = s.snapshot;
  publication.clusters = std::exchange(s.cluster_updates, {});
  publication.options_changed = options_changed;
  publication.report_changed = s.report_stale;
  for (auto& pair : pairs) publication.certificate_hosts.push_back(std::move(pair.name));
  publication.fallback_changed = other_fallback;
  return publication;
}

void Compiler::start_over() noexcept {
  state_->over = true;
}

const model::Report& Compiler::report() const {
  State& s = *state_;
  if (!s.report_stale) return s.report;
  s.report.entries.clear();
  for (const auto& [key, entries] : s.problems)
    s.report.entries.insert(s.report.entries.end(), entries.begin(), entries.end());
  auto order = [](const model::Entry& e) {
    return std::tie(e.object.kind, e.object.ns, e.object.name, e.problem.field, e.problem.reason,
                    e.problem.consequence);
  };
  std::sort(s.report.entries.begin(), s.report.entries.end(), [&](auto& a, auto& b) { return order(a) < order(b); });
  s.report_stale = false;
  return s.report;
}

std::string_view Compiler::secret_of(std::string_view host) const {
  const auto at = state_->hosts.find(host);
  return at == state_->hosts.end() || at->second.first_pair == nullptr ? std::string_view()
                                                                       : at->second.first_pair->name;
}

Publication Compiler::everything() const {
  const State& s = *state_;
  Publication publication;
  publication.snapshot = s.snapshot;
  publication.options_changed = publication.report_changed = publication.fallback_changed = true;
  for (const auto& [name, entry] : s.clusters)
    if (entry.spec) publication.clusters.push_back({entry.id, entry.spec, entry.placement});
  return publication;
}

}  // namespace sluice::data
