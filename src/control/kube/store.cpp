#include "control/kube/store.h"

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <tuple>

#include "control/kube/grammar.h"
#include "control/kube/state.h"

namespace sluice::control {

Store::State::State(Settings s) : settings(std::move(s)) {
  if (!settings.listeners.empty()) {
    own = std::make_shared<const model::OwnListeners>(model::OwnListeners{settings.listeners, {}, {}, {}, {}, {}});
    own_changed = true;
  }
  Entries entries;
  auto complain = [&](const char* flag, const std::string& value, const char* expected) {
    entries.push_back({{"CommandLine", "", flag, {}},
                       {model::Severity::error, "InvalidFlag", flag, shorten(value), expected, "it is not used"}});
  };
  for (auto& text : settings.endpoints) {
    if (auto e = read_extra_endpoint(text))
      extra[e->cluster].push_back(*e);
    else
      complain("--endpoint", text, kEndpointForm);
  }
  if (!settings.default_backend.empty()) {
    auto colon = settings.default_backend.find(':');
    auto service = settings.default_backend.substr(0, colon);
    if (service.find('/') == std::string::npos) {
      complain("--default-backend", settings.default_backend, "NS/SERVICE or NS/SERVICE:PORT");
    } else {
      default_backend_service = service;
      if (colon != std::string::npos) default_backend_port = settings.default_backend.substr(colon + 1);
      hosts[""];
      dirty_hosts.insert("");
    }
  }
  if (!settings.default_ssl_certificate.empty()) {
    model->default_certificate = settings.default_ssl_certificate;
    certificates[settings.default_ssl_certificate];
    references_changed = true;
    dirty_certificates.insert(settings.default_ssl_certificate);
  }
  say("flags", std::move(entries));
  const bool directory = !settings.manifests.empty();
  const auto name = [&](model::Transport transport, const std::string& flag, const char* otherwise) {
    const auto which = static_cast<std::size_t>(transport);
    streams.asked_for[which] = !flag.empty();
    streams.config_maps[which] = !flag.empty() || !directory ? flag : otherwise;
  };
  name(model::Transport::tcp, settings.tcp_services, kTcpServices);
  name(model::Transport::udp, settings.udp_services, kUdpServices);
}

void Store::State::say(const std::string& part, Entries entries) {
  auto it = problems.find(part);
  if (it != problems.end()) told -= it->second.size();
  // More than a Report shows is counted, part by part.
  if (told + entries.size() > model::Report::kMost) entries.keep(1);
  told += entries.size();
  if (entries.empty()) {
    if (it == problems.end()) return;
    problems.erase(it);
  } else if (it == problems.end()) {
    problems.emplace(part, std::move(entries));
  } else if (it->second != entries) {
    it->second = std::move(entries);
  } else {
    return;
  }
  problems_changed = true;
}

model::Origin Store::State::origin_of(const model::ObjectRef& ref) const {
  auto key = ref.ns + "/" + ref.name;
  const Object* object = nullptr;
  auto look = [&](const StringMap<ObjectPtr>& in) {
    if (auto it = in.find(key); it != in.end()) object = it->second.get();
  };
  if (ref.kind == "Ingress") {
    if (auto it = ingresses.find(key); it != ingresses.end()) object = it->second.object.get();
  } else if (ref.kind == "Service") {
    look(services);
  } else if (ref.kind == "Secret") {
    look(secrets);
  } else if (ref.kind == "ConfigMap") {
    look(config_maps);
  }
  return object ? meta(*object).origin : ref.origin;
}

void Store::State::assemble_report() {
  auto& out = model->report.entries;
  out.clear();
  for (auto& [part, entries] : problems) entries.append_to(out);
  for (auto& e : out) e.object.origin = origin_of(e.object);
  out.insert(out.end(), source_problems.begin(), source_problems.end());
  model->report.limit();
  auto order = [](const model::Entry& e) {
    return std::tie(e.object.kind, e.object.ns, e.object.name, e.problem.field, e.problem.reason, e.problem.value,
                    e.object.origin.file, e.object.origin.line);
  };
  std::stable_sort(out.begin(), out.end(), [&](auto& a, auto& b) { return order(a) < order(b); });
  out.erase(std::unique(out.begin(), out.end()), out.end());
}

void Store::State::touched(const Object& object) {
  const auto& ns = meta(object).ns;
  if (own && settings.status.pod.size() > ns.size() && settings.status.pod.starts_with(ns) &&
      settings.status.pod[ns.size()] == '/')
    replicas_changed = true;
}

void Store::State::find_replicas() {
  replicas.clear();
  service_addresses.clear();
  service_datagrams.clear();
  const std::string ns = settings.status.pod.substr(0, settings.status.pod.find('/') + 1);
  for (const auto& [service, parts] : slices) {
    if (!service.starts_with(ns)) continue;
    const auto ours = [&](const auto& part) {
      const auto& all = std::get<EndpointSlice>(*part.second).endpoints;
      return std::any_of(all.begin(), all.end(), [&](auto& e) { return e.pod == settings.status.pod; });
    };
    if (std::none_of(parts.begin(), parts.end(), ours)) continue;
    for (const auto& [name, part] : parts)
      for (const auto& endpoint : std::get<EndpointSlice>(*part).endpoints)
        for (const auto& address : endpoint.addresses)
          if (const auto ip = model::read_ip(address)) replicas.push_back(*ip);
    const auto it = services.find(service);
    if (it == services.end()) continue;
    // Its ports need not be those of its pods.
    const auto& object = std::get<Service>(*it->second);
    for (const ServicePort& port : object.ports) {
      const bool udp = port.protocol == "UDP";
      const auto leads = [&](const auto& part) {
        const auto number = port_in(std::get<EndpointSlice>(*part.second), port);
        return udp ? own->takes_datagrams_on(number) : own->listens_on(number);
      };
      if (std::none_of(parts.begin(), parts.end(), leads)) continue;
      for (const auto& address : object.cluster_ips)
        if (const auto ip = model::read_ip(address))
          (udp ? service_datagrams : service_addresses).emplace_back(*ip, port.port);
    }
  }
  reach();
}

// An address that came or went decides about the endpoints on our ports, and about what was refused.
void Store::State::reach() {
  if (!own) return;
  const auto sort = [](auto& list) {
    std::sort(list.begin(), list.end());
    list.erase(std::unique(list.begin(), list.end()), list.end());
  };
  sort(interfaces), sort(replicas), sort(service_addresses), sort(service_datagrams);
  model::OwnListeners now{own->all, interfaces, replicas, service_addresses, own->datagrams, service_datagrams};
  if (now == *own) return;
  own = std::make_shared<const model::OwnListeners>(std::move(now));
  own_changed = true;
  judge_anew([&](std::uint16_t port) { return own->has_port(port) || own->has_datagram_port(port); });
}

void Store::State::judge_anew(const std::function<bool(std::uint16_t port)>& concerned) {
  for (const auto& [name, c] : clusters)
    if (c.built && (c.built->refused > 0 || std::ranges::any_of(c.built->endpoints, concerned, &model::Endpoint::port)))
      dirty_clusters.insert(name);
}

// Makes sure that nobody else holds `model`. Whoever holds the last one has usually let go of the one before: that one
// is brought up to date by what changed since, which costs less than a copy.
void Store::State::own_model() {
  auto free = [](const std::shared_ptr<model::Model>& m) {
    bool alone = m.use_count() == 1;
    std::atomic_thread_fence(std::memory_order_acquire);
    return alone;
  };
  if (free(model)) return;
  if (!spare || !free(spare)) {
    spare = std::exchange(model, std::make_shared<model::Model>(*model));
  } else {
    auto renew = [](auto& map, const auto& from, const std::set<std::string>& names) {
      for (auto& name : names) {
        if (auto it = from.find(name); it != from.end())
          map[name] = it->second;
        else
          map.erase(name);
      }
    };
    renew(spare->hosts, model->hosts, behind.hosts);
    renew(spare->clusters, model->clusters, behind.clusters);
    renew(spare->certificates, model->certificates, behind.certificates);
    spare->options = model->options;
    spare->own = model->own;
    spare->streams = model->streams;
    if (behind.report) spare->report = model->report;
    std::swap(spare, model);
  }
  behind = {};
}

void Store::State::remember(const model::Change& change) {
  if (!spare) return;
  constexpr std::size_t kWorthwhile = 4096;  // beyond it a copy is as good
  behind.hosts.insert(change.hosts.begin(), change.hosts.end());
  behind.clusters.insert(change.clusters.begin(), change.clusters.end());
  behind.certificates.insert(change.certificates.begin(), change.certificates.end());
  if (behind.hosts.size() + behind.clusters.size() + behind.certificates.size() > kWorthwhile) spare = nullptr;
}

Store::Store(Settings settings) : state_(std::make_unique<State>(std::move(settings))) {}
Store::~Store() = default;

void Store::State::mark_users(const Object& object) {
  constexpr std::string_view ingress = "Ingress/";
  if (const auto* users = references.users(identity(object)))
    for (const auto& user : *users) {
      if (user == kOptionsUser)
        dirty_options = true;
      else if (user == kStreamsUser)
        streams.dirty = true;
      else
        dirty_ingresses.insert(user.substr(ingress.size()));
    }
}

void Store::upsert(ObjectPtr object) {
  auto& s = *state_;
  auto key = key_of(meta(*object));
  auto service_changed = [&](const std::string& service) {
    if (auto it = s.clusters_of_service.find(service); it != s.clusters_of_service.end())
      s.dirty_clusters.insert(it->second.begin(), it->second.end());
  };
  if (std::holds_alternative<Ingress>(*object)) {
    s.ingresses[key].hold(std::move(object));
    s.dirty_ingresses.insert(key);
  } else if (std::holds_alternative<IngressClass>(*object)) {
    auto name = meta(*object).name;
    s.classes[name] = std::move(object);
    s.dirty_classes = true;
  } else if (std::holds_alternative<Service>(*object)) {
    s.touched(*object);
    s.services[key] = std::move(object);
    service_changed(key);
  } else if (auto* slice = std::get_if<EndpointSlice>(&*object)) {
    s.touched(*object);
    auto service = slice->meta.ns + "/" + slice->service;
    auto name = slice->meta.name;
    // It may come back under the same name for another Service.
    auto& before = s.service_of_slice[key];
    if (before != service && !before.empty()) {
      if (auto it = s.slices.find(before); it != s.slices.end() && it->second.erase(name) && it->second.empty())
        s.slices.erase(it);
      service_changed(before);
    }
    before = service;
    s.slices[service][name] = std::move(object);
    service_changed(service);
  } else if (std::holds_alternative<Secret>(*object)) {
    s.mark_users(*object);
    s.secrets[key] = std::move(object);
    if (const auto used = s.certificates.find(key); used != s.certificates.end()) {
      s.dirty_certificates.insert(key);
      for (auto& [host, user] : used->second.users)
        if (const auto it = s.hosts.find(host); it != s.hosts.end() && it->second.grace != Instant{})
          s.dirty_hosts.insert(host);
    }
  } else if (const auto* map = std::get_if<ConfigMap>(&*object)) {
    s.mark_users(*object);
    s.config_maps[key] = object;
    if (!s.is_options(*object)) return s.look_at_other(*map, true);
    s.config_map = std::move(object);
    s.config_map_gone = false;
    s.dirty_options = true;
  }
}

void Store::moved(ObjectPtr object) {
  auto& s = *state_;
  auto key = key_of(meta(*object));
  s.problems_changed = s.problems_changed || !s.problems.empty();
  auto replace = [&](StringMap<ObjectPtr>& in, const std::string& k) {
    if (auto it = in.find(k); it != in.end()) it->second = object;
  };
  if (std::holds_alternative<Ingress>(*object)) {
    auto it = s.ingresses.find(key);
    if (it == s.ingresses.end()) return;
    if (it->second.accepted == it->second.object) it->second.accepted = object;
    it->second.hold(object);
    // Without timestamps the place in the files is the age.
    if (meta(*object).created == kNoTimestamp) {
      if (it->second.wish) s.take_wish(it->second);
      for (auto& host : it->second.hosts)
        if (auto h = s.hosts.find(host);
            h != s.hosts.end() && (h->second.claims.size() > 1 || !h->second.asks_for.empty() ||
                                   s.wishes.contains(host) || s.shares_clusters(h->second)))
          s.dirty_hosts.insert(host);
      for (auto& host : it->second.canary_hosts)
        if (const auto them = s.canaries.find(host); them != s.canaries.end() && them->second.size() > 1)
          s.dirty_hosts.insert(host);
    }
  } else if (std::holds_alternative<IngressClass>(*object)) {
    replace(s.classes, meta(*object).name);
  } else if (std::holds_alternative<Service>(*object)) {
    replace(s.services, key);
  } else if (auto* slice = std::get_if<EndpointSlice>(&*object)) {
    if (auto it = s.slices.find(slice->meta.ns + "/" + slice->service);
        it != s.slices.end() && it->second.contains(slice->meta.name))
      it->second[slice->meta.name] = object;
  } else if (std::holds_alternative<Secret>(*object)) {
    replace(s.secrets, key);
  } else if (std::holds_alternative<ConfigMap>(*object)) {
    replace(s.config_maps, key);
    if (s.is_options(*object)) s.config_map = object;
  }
}

void Store::erase(const Object& object) {
  auto& s = *state_;
  if (std::holds_alternative<Service>(object) || std::holds_alternative<EndpointSlice>(object)) s.touched(object);
  auto key = key_of(meta(object));
  auto service_changed = [&](const std::string& service) {
    if (auto it = s.clusters_of_service.find(service); it != s.clusters_of_service.end())
      s.dirty_clusters.insert(it->second.begin(), it->second.end());
  };
  if (std::holds_alternative<Ingress>(object)) {
    auto it = s.ingresses.find(key);
    if (it == s.ingresses.end()) return;
    for (auto& host : it->second.hosts) {
      s.hosts[host].claims.erase(key);
      s.dirty_hosts.insert(host);
    }
    for (auto& host : it->second.canary_hosts) {
      s.leave_canaries(host, key);
      s.dirty_hosts.insert(host);
    }
    if (s.references.set(identity(object), {})) s.references_changed = true;
    if (it->second.served()) s.served_changed[key] = false;
    s.ingresses.erase(it);
    s.dirty_ingresses.insert(key);
  } else if (std::holds_alternative<IngressClass>(object)) {
    s.classes.erase(meta(object).name);
    s.dirty_classes = true;
  } else if (std::holds_alternative<Service>(object)) {
    s.services.erase(key);
    service_changed(key);
  } else if (std::holds_alternative<EndpointSlice>(object)) {
    // Its last form may name another Service than the one it was taken with: both changes can come in one batch.
    const auto known = s.service_of_slice.find(key);
    if (known == s.service_of_slice.end()) return;
    const std::string service = std::move(known->second);
    s.service_of_slice.erase(known);
    if (auto it = s.slices.find(service);
        it != s.slices.end() && it->second.erase(meta(object).name) && it->second.empty())
      s.slices.erase(it);
    service_changed(service);
  } else if (std::holds_alternative<Secret>(object)) {
    s.mark_users(object);
    s.secrets.erase(key);
    if (s.certificates.contains(key)) s.dirty_certificates.insert(key);
  } else if (const auto* map = std::get_if<ConfigMap>(&object)) {
    s.mark_users(object);
    s.config_maps.erase(key);
    if (!s.is_options(object)) return s.look_at_other(*map, false);
    // What it protects must not open because it is gone, be it for the moment until it is made anew. A directory is
    // taken at its word: what it holds is all there is, and the same after a restart.
    if (s.settings.manifests.empty())
      s.config_map_gone = s.config_map != nullptr;
    else
      s.config_map = nullptr;
    s.dirty_options = true;
  }
}

void Store::apply(const ObjectChanges& changes) {
  for (auto& o : changes.erased) erase(*o);
  for (auto& o : changes.upserts) upsert(o);
  for (auto& o : changes.moved) moved(o);
}

void Store::source_problems(std::vector<model::Entry> entries) {
  auto& s = *state_;
  if (s.source_problems == entries) return;
  s.source_problems = std::move(entries);
  s.problems_changed = true;
}

void Store::resolved(const std::string& name, std::vector<std::string> addresses, std::string error) {
  auto& s = *state_;
  auto users = s.externals.find(name);
  if (users == s.externals.end()) return;
  s.resolutions[name] = {std::move(addresses), std::move(error), true};
  s.dirty_clusters.insert(users->second.begin(), users->second.end());
}

const std::map<std::string, std::set<std::string>>& Store::external_names() const {
  return state_->externals;
}
void Store::resolve_at_run_time(bool yes) {
  state_->resolve_later = yes;
}
void Store::reached_by(std::vector<model::Ip> addresses) {
  state_->interfaces = std::move(addresses);
  state_->reach();
}
bool Store::listens_everywhere() const {
  return state_->own && state_->own->any();
}
bool Store::report_changed() const {
  return state_->report_changed;
}
Feedback Store::feedback() {
  auto& s = *state_;
  Feedback out;
  out.served = std::exchange(s.served_changed, {});
  if (std::exchange(s.references_changed, false)) {
    auto& named = out.named.emplace();
    for (auto& [name, state] : s.certificates) named.insert("Secret/" + name);
    s.references.each([&](const std::string& object) { named.insert(object); });
  }
  return out;
}
const Store::Work& Store::work() const {
  return state_->work;
}

bool Store::dirty() const {
  auto& s = *state_;
  return s.first || s.own_changed || s.replicas_changed || s.dirty_options || s.dirty_classes || s.streams.dirty ||
         s.problems_changed || !s.dirty_ingresses.empty() || !s.dirty_hosts.empty() || !s.dirty_clusters.empty() ||
         !s.dirty_certificates.empty();
}

Update Store::commit() {
  auto& s = *state_;
  // Somebody may still look at the last Model: it must not change under them.
  s.own_model();
  Update out;
  auto& change = out.change;
  if (std::exchange(s.streams.dirty, false)) s.rebuild_streams(change);
  if (std::exchange(s.replicas_changed, false)) s.find_replicas();
  if (std::exchange(s.own_changed, false)) {
    s.model->own = s.own;
    change.own = true;
  }
  if (std::exchange(s.dirty_options, false)) s.rebuild_options(change);
  if (std::exchange(s.dirty_classes, false))
    for (auto& [key, state] : s.ingresses) s.dirty_ingresses.insert(key);
  for (auto& key : std::exchange(s.dirty_ingresses, {})) s.evaluate(key);
  s.settle_names();
  for (auto& name : std::exchange(s.dirty_hosts, {})) s.rebuild_host(name, change);
  const auto clusters = std::exchange(s.dirty_clusters, {});
  for (auto& name : clusters) s.rebuild_cluster(name, change);
  if (s.first || !clusters.empty() || !change.hosts.empty()) s.report_unused_endpoints();
  if (change.streams ||
      std::ranges::any_of(change.clusters, [&](const auto& name) { return s.streams.clusters.contains(name); }))
    s.report_streams();
  for (auto& name : std::exchange(s.dirty_certificates, {})) s.rebuild_certificate(name, change);
  s.report_changed = std::exchange(s.problems_changed, false);
  if (s.report_changed) {
    s.assemble_report();
    s.behind.report = change.report = true;
  }
  s.remember(change);
  std::erase_if(s.resolutions, [&](auto& r) { return !s.externals.contains(r.first); });
  for (auto& service : std::exchange(s.perhaps_unused, {}))
    if (!s.clusters_of_service.contains(service)) s.formers.erase(service);
  if (s.first) {
    change = {};
    change.everything = true;
    out.first = true;
    s.first = false;
  }
  out.model = s.model;
  return out;
}

}  // namespace sluice::control
