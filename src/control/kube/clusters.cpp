#include "control/kube/clusters.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>

#include "base/nearest.h"
#include "control/destination.h"
#include "control/kube/grammar.h"

namespace sluice::control {

namespace {
using model::Severity;

// What becomes of what is to go to a Cluster without endpoints.
std::string_view without_endpoints(Use use) {
  switch (use) {
    case Use::stream:
      return "its ports lead nowhere";
    case Use::canary:
      return "its canary takes no requests";
    case Use::replaced:
      return "default-backend answers requests for it where it is written";
    case Use::unclaimed:
      return "requests that no path of an Ingress takes answer 404";
    case Use::errors:
      return "errors are answered as they are";
    default:
      return "requests for it answer 503";
  }
}

// Where an outside host listens: at the targetPort, if that is a number; else at the port. An ExternalName Service need
// not have ports: an Ingress may name any number. 0: none.
std::uint16_t outside_port(const ServicePort* port, const std::string& wanted) {
  auto number = parse_int(port ? port->target : wanted);
  if (port && (!number || *number == 0)) number = port->port;
  return number && *number > 0 && *number < 65536 ? static_cast<std::uint16_t>(*number) : 0;
}

// What a port's appProtocol says of its pods (KEP-3726 and the names in use without prefix); empty when it is not known
// here. WebSockets begin as HTTP/1.1.
std::optional<model::BackendProtocol> read_app_protocol(std::string_view name) {
  using enum model::BackendProtocol;
  static constexpr std::pair<std::string_view, model::BackendProtocol> kKnown[] = {
      {"http", http}, {"kubernetes.io/ws", http},  {"https", https}, {"kubernetes.io/wss", https},
      {"grpc", grpc}, {"kubernetes.io/h2c", grpc}, {"grpcs", grpcs},
  };
  for (const auto& [known, protocol] : kKnown)
    if (iequals(name, known)) return protocol;
  return std::nullopt;
}

// What its pods expect in front of each connection. An annotation of our own: ingress-nginx cannot send it.
void read_proxy_protocol(const Service& service, const model::ObjectRef& ref, model::Cluster& out, Entries& entries) {
  static const std::string kName = "sluice.dev/upstream-proxy-protocol";
  for (const auto& [full, value] : service.meta.annotations)
    if (full.view().starts_with(kOwnPrefix) && full.view() != kName &&
        !nearest(full.view(), std::array{std::string_view(kName)}).empty())
      entries.push_back({ref,
                         {Severity::warning, "UnknownAnnotation", "metadata.annotations[" + shorten(full.view()) + "]",
                          shorten(value), kName, "it has no effect"}});
  const auto at = service.meta.annotations.find(kName);
  if (at == service.meta.annotations.end() || at->second.empty()) return;
  if (at->second == "v1")
    out.proxy_protocol = model::ProxyProtocol::v1;
  else if (at->second == "v2")
    out.proxy_protocol = model::ProxyProtocol::v2;
  else
    entries.push_back({ref,
                       {Severity::error, "InvalidAnnotation", "metadata.annotations[" + kName + "]",
                        shorten(at->second), "v1 or v2", "its pods get no PROXY header"}});
}

// Text that is no name of a Service in a cluster may be one in a file: no two Clusters are to be spelt alike.
std::string without_colons(std::string text) {
  for (auto at = text.find(':'); at != std::string::npos; at = text.find(':', at)) text.replace(at, 1, "%3A");
  return text;
}

// `alone`: nobody else leads there, so that it does not matter how old a wish is.
bool wishes_differ(const ClusterUser& before, const ClusterUser& now, bool alone) {
  if (before.ways != now.ways) return true;
  if (before.wishes == now.wishes) return false;
  if (!alone || before.wishes.size() != 1 || now.wishes.size() != 1) return true;
  const BalancingWish &was = *before.wishes.front(), &is = *now.wishes.front();
  return was.says != is.says || was.ref->ns != is.ref->ns || was.ref->name != is.ref->name;
}
}  // namespace

const ServicePort* find_port(const Service& s, const std::string& wanted, bool udp) {
  if (wanted.empty()) return s.ports.empty() ? nullptr : &s.ports.front();
  auto usable = [udp](const ServicePort& p) {
    return udp ? p.protocol == "UDP" : p.protocol == "TCP" || p.protocol.empty();
  };
  const auto number = parse_int(wanted);  // names of ports have a letter
  for (auto& p : s.ports)
    if (usable(p) && (number ? p.port == *number : p.name == wanted)) return &p;
  for (auto& p : s.ports)  // ingress-nginx accepts the target port as well
    if (usable(p) && p.target == wanted) return &p;
  return nullptr;
}

Clusters::Clusters(Core& core, const OptionBuilder& options) : core_(core), options_(options) {
  Entries entries;
  for (const auto& text : core.settings.endpoints) {
    if (auto e = read_extra_endpoint(text))
      extra_[e->cluster].push_back(*e);
    else
      entries.push_back(
          {{"CommandLine", "", "--endpoint", {}},
           {Severity::error, "InvalidFlag", "--endpoint", shorten(text), kEndpointForm, "it is not used"}});
  }
  core.problems.say("flags/endpoint", std::move(entries));
}

const ClusterTexts& Clusters::texts(const ClusterKey& key) {
  if (last_asked_ != names_.end() && last_asked_->first == key) return last_asked_->second;
  if (const auto known = names_.find(key); known != names_.end()) {
    last_asked_ = known;
    return known->second;
  }
  // A host that an annotation names has no namespace; a name without a slash is nobody else's.
  const bool outside = key.ns.empty();
  // Nor does a port have one: those of datagrams are Clusters of their own.
  const auto name =
      (outside ? key.service : without_colons(key.service_key())) + ":" + key.port + (key.udp ? "/udp" : "");
  const auto upstream_name =
      outside ? name : key.ns + "-" + key.service + (key.port.empty() ? "" : "-" + key.port) + (key.udp ? "-udp" : "");
  const auto made = names_.emplace(key, ClusterTexts{name, upstream_name, key.service, key.port}).first;
  try {
    const auto of_same = [&](const auto& other) {
      return other->first.service == key.service && other->first.ns == key.ns;
    };
    const auto next = std::next(made);
    if (!outside && ((made != names_.begin() && of_same(std::prev(made))) || (next != names_.end() && of_same(next))))
      recounted_.insert(key.service_key());
    all_[name].key = &made->first;
  } catch (...) {
    names_.erase(made);
    throw;
  }
  return made->second;
}

void Clusters::lead(const std::string& user, Names& had, const std::map<std::string, ClusterUser>& uses) {
  exchange(
      had, uses, [&](const std::string& name) { leave(name, user); },
      [&](const std::string& name, const ClusterUser& how) { join(name, user, how); });
}

void Clusters::leave(const std::string& name, const std::string& user) {
  State& c = all_[name];
  if (const auto at = c.users.find(user); at != c.users.end()) {
    if (c.users.size() == 1) c.last = std::move(at->second);
    c.users.erase(at);
  }
  c.users_changed = true;
  dirty_.insert(name);
}

void Clusters::join(const std::string& name, const std::string& user, const ClusterUser& how) {
  State& c = all_[name];
  // What is wrong with it is said of its first user, who may be another one now; of what lies outside, of each.
  const RefPtr before = c.users.empty() ? nullptr : c.users.begin()->second.ref;
  const Use before_use = c.users.empty() ? Use() : c.users.begin()->second.use;
  ClusterUser& slot = c.users[user];
  if (c.key->ns.empty() &&
      (!slot.ref || slot.use != how.use || slot.ref->ns != how.ref->ns || slot.ref->name != how.ref->name))
    dirty_.insert(name);
  if (wishes_differ(slot, how, c.users.size() == 1)) {
    c.users_changed = true;
    dirty_.insert(name);
  }
  slot = how;
  const ClusterUser& first = c.users.begin()->second;
  if (!before || before_use != first.use || before->ns != first.ref->ns || before->name != first.ref->name)
    dirty_.insert(name);
}

void Clusters::replaces(const std::string& name, const std::string& before) {
  const auto now = all_.find(name), had = all_.find(before);
  if (now == all_.end() || had == all_.end() || now == had) return;
  const ClusterKey &to = *now->second.key, &from = *had->second.key;
  if (to.ns.empty() || to.service_key() != from.service_key() || to.udp != from.udp) return;
  now->second.before = from.port;
  dirty_.insert(name);
}

bool Clusters::shared(const Names& clusters) const {
  return std::ranges::any_of(clusters, [&](const std::string& name) {
    const auto at = all_.find(name);
    return at != all_.end() && at->second.users.size() > 1;
  });
}

std::shared_ptr<const model::Cluster> Clusters::built(const std::string& name) const {
  const auto at = all_.find(name);
  return at == all_.end() ? nullptr : at->second.built;
}

void Clusters::mark_all() {
  for (const auto& [name, c] : all_) dirty_.insert(name);
}

void Clusters::choose_anew() {
  for (auto& [name, c] : all_) c.users_changed = true;
  mark_all();
}

void Clusters::judge_anew(const std::function<bool(std::uint16_t port)>& concerned) {
  for (const auto& [name, c] : all_)
    if (c.built && (c.built->refused > 0 || std::ranges::any_of(c.built->endpoints, concerned, &model::Endpoint::port)))
      dirty_.insert(name);
}

void Clusters::resolved(const std::string& name, std::vector<std::string> addresses, std::string error) {
  const auto users = externals_.find(name);
  if (users == externals_.end()) return;
  resolutions_[name] = {std::move(addresses), std::move(error), true};
  dirty_.insert(users->second.begin(), users->second.end());
}

// By number or by name, however the Ingress says it.
std::vector<std::string> Clusters::spellings(const ClusterKey& key) const {
  if (extra_.empty()) return {};
  const std::string service = key.service_key();
  std::set<std::string> ports{key.port};
  if (const auto* found = core_.objects.find<Service>(service))
    if (const auto* port = find_port(*found, key.port, key.udp)) ports.insert({std::to_string(port->port), port->name});
  std::vector<std::string> out;
  for (const auto& port : ports)
    if (!port.empty()) out.push_back(service + ":" + port);
  return out;
}

// What no Ingress leads to. A Service of the same name, or another port of it, is what may have been meant.
void Clusters::report_unused_endpoints() {
  if (extra_.empty()) return;
  std::set<std::string> used;
  std::map<std::string, std::string> by_name;  // Service without namespace → a cluster
  for (const auto& [name, c] : all_) {
    for (auto& spelling : spellings(*c.key)) used.insert(std::move(spelling));
    by_name.try_emplace(c.key->service, name);
  }
  Entries entries;
  for (const auto& [key, endpoints] : extra_) {
    if (used.contains(key)) continue;
    const auto slash = key.find('/');
    const auto meant = by_name.find(key.substr(slash + 1, key.rfind(':') - slash - 1));
    entries.push_back({{"CommandLine", "", "--endpoint", {}},
                       {model::Severity::warning, "UnusedEndpoint", "--endpoint " + key, "",
                        "a Service and a port that an Ingress leads to" +
                            (meant == by_name.end() ? "" : ", such as " + meant->second),
                        "it is not used"}});
  }
  core_.problems.say("endpoints", std::move(entries));
}

std::shared_ptr<const model::Cluster> Clusters::build(const std::string& name, State& c, Entries& entries) {
  if (c.key->ns.empty()) return build_outside(name, c, entries);
  auto out = std::make_shared<model::Cluster>();
  out->name = name;
  out->upstream_name = names_.at(*c.key).upstream_name;
  out->ns = c.key->ns;
  out->service = c.key->service;
  out->port = c.key->port;
  choose_balancing(name, c);
  out->balancing = c.balancing;
  out->balanced_by = c.balanced_by;
  if (c.in_vain) entries.add(*c.in_vain);
  const auto service_key = c.key->service_key();
  const Service* service = core_.objects.find<Service>(service_key);
  const ClusterUser& first = c.users.empty() ? c.last : c.users.begin()->second;
  const model::ObjectRef& user = *first.ref;
  // Of ports alone: what they lack is said of their own object.
  const bool streams_only = first.use == Use::stream;
  const std::string unanswered(without_endpoints(first.use));
  const ServicePort* port = service ? find_port(*service, c.key->port, c.key->udp) : nullptr;
  std::string external;
  bool former = false, own_endpoints = false;  // it leads to former ones; to those of its slices, or of its name
  ServicePort led_by;                          // by which it does, where the Service lists none

  if (service) read_proxy_protocol(*service, reference(*service), *out, entries);
  if (port && !port->app_protocol.empty()) {
    if (const auto protocol = read_app_protocol(port->app_protocol))
      out->protocol = *protocol;
    else if (!streams_only)
      entries.push_back(
          {reference(*service),
           {Severity::ignored, "UnknownAppProtocol",
            "spec.ports[" + std::to_string(port - service->ports.data()) + "].appProtocol", shorten(port->app_protocol),
            "http, https, grpc, grpcs, kubernetes.io/h2c, kubernetes.io/ws or kubernetes.io/wss",
            "its pods are spoken to by HTTP/1.1 unless backend-protocol says otherwise"}});
  }
  Sieve extras(Says::operator_, allowed_destinations(), core_.own.get(), c.key->transport());
  for (const auto& spelling : spellings(*c.key)) {
    const auto it = extra_.find(spelling);
    if (it == extra_.end()) continue;
    for (auto& e : it->second)
      if (std::none_of(out->endpoints.begin(), out->endpoints.end(),
                       [&](auto& have) { return have.address == e.address && have.port == e.port; }) &&
          extras.takes(e.address, e.port))
        out->endpoints.push_back({e.address, e.port, true, false, false, ""});
  }
  out->refused += extras.refused();
  extras.report({"CommandLine", "", "--endpoint", {}}, "--endpoint", "", "it is not used", entries);
  auto empty = [&](model::ObjectRef object, Severity severity, const char* reason, std::string field, std::string value,
                   std::string expected, std::string because) {
    if (!former && !out->endpoints.empty()) return;
    former = former || (!c.key->udp && use_former(name, c, port, *out));
    if (!former) out->empty_because = because;
    if (streams_only) return;
    entries.push_back({std::move(object),
                       {severity, reason, std::move(field), std::move(value), std::move(expected),
                        (former ? "those that it had, as far as a slice lists them, are used for some seconds: "
                                : unanswered + ": ") +
                            because}});
  };

  if (!service) {
    empty(user, Severity::warning, "MissingService", "backend.service.name", c.key->service,
          "a Service of namespace " + c.key->ns, "Service " + service_key + " does not exist");
    out->no_service = out->endpoints.empty();
  } else if (service->type == "ExternalName" && core_.settings.disable_external_names) {
    empty(reference(*service), Severity::warning, "ExternalNameDisabled", "spec.type", std::string(service->type),
          "a Service of pods, or no --disable-svc-external-name", "--disable-svc-external-name is given");
  } else if (service->type == "ExternalName") {
    const std::uint16_t number = outside_port(port, c.key->port);
    auto target = service->external_name;
    while (target.ends_with('.')) target.pop_back();
    const auto name_says = judge_name(lower(target), allowed_destinations());
    if (is_ipv4(target) || is_ipv6(target) || spells_address(target)) {
      empty(reference(*service), Severity::error, "ExternalNameIsAddress", "spec.externalName", target,
            "a DNS name; addresses go into an EndpointSlice", "externalName is an address, not a name");
    } else if (!is_host_name(target, false)) {
      empty(reference(*service), Severity::error, "InvalidExternalName", "spec.externalName", shorten(target),
            "a DNS name", "externalName is not a DNS name");
    } else if (number == 0) {
      external = lower(target);
      empty(user, Severity::warning, "MissingPort", "backend.service.port", c.key->port,
            "a port of Service " + service_key, "Service " + service_key + " has no port " + c.key->port);
    } else if (name_says) {
      ++out->refused;
      if (out->endpoints.empty())
        out->empty_because = "externalName " + target + " is " + std::string(to_string(*name_says));
      entries.push_back(refusal_entry(reference(*service), "spec.externalName", target, *name_says,
                                      out->endpoints.empty() ? unanswered : "nothing is sent there"));
    } else {
      out->outside = true;
      external = lower(target);
      auto& r = resolutions_[external];
      // An Ingress may name any number. While one of the two is being changed to another port it is none of these.
      if (!port && !service->ports.empty() && !c.key->udp) former = use_former(name, c, port, *out);
      const bool listed = name_allowed(external, allowed_destinations());
      Sieve sieve(listed ? Says::operator_ : Says::name, allowed_destinations(), core_.own.get(), c.key->transport());
      std::size_t usable = 0;
      for (auto& address : former ? std::vector<std::string>() : r.addresses)
        if (sieve.takes(address, number) && ++usable <= kMaxExternalAddresses)
          out->endpoints.push_back({address, number, true, false, false, ""});
      if (usable > kMaxExternalAddresses)
        entries.push_back({reference(*service),
                           {Severity::warning, "TooMany", "spec.externalName", target,
                            "a name with at most " + std::to_string(kMaxExternalAddresses) + " addresses",
                            "of its " + std::to_string(usable) + " the first in order are used"}});
      out->refused += sieve.refused();
      sieve.report(reference(*service), "spec.externalName", external,
                   out->endpoints.empty() ? unanswered : "its other addresses are used", entries);
      if (sieve.refused() > 0) {
        if (out->endpoints.empty()) out->empty_because = external + " leads to " + sieve.text();
      } else if (former) {
        // What it leads to is known.
      } else if (!r.answered && resolve_later_) {
        out->empty_because = external + " is resolved when serving";
        entries.push_back({reference(*service),
                           {Severity::ignored, "ResolvedAtRunTime", "spec.externalName", target, "",
                            "the name is resolved when serving"}});
      } else if (!r.answered) {
        former = out->endpoints.empty() && use_former(name, c, port, *out);
        if (out->endpoints.empty()) out->empty_because = external + " is being resolved";
      } else
        empty(reference(*service), Severity::warning, "UnresolvedName", "spec.externalName", target,
              "a name that resolves", external + ": " + r.error);
      own_endpoints = !former && r.answered && (port || service->ports.empty()) && !out->endpoints.empty();
      if (!port) led_by.port = number;
    }
  } else if (!port) {
    empty(user, Severity::warning, "MissingPort", "backend.service.port", c.key->port,
          "a port of Service " + service_key, "Service " + service_key + " has no port " + c.key->port);
  } else if (by_cluster_address(c, *service, *port, unanswered, *out, entries)) {
    // Whoever forwards inside the cluster knows the pods.
  } else {
    auto refused = add_slices(c, *port, *out, entries, PortBy::listed);
    if (refused.empty() && out->endpoints.empty()) {
      former = !c.key->udp && use_former(name, c, port, *out);
      if (!former) refused = add_slices(c, *port, *out, entries, PortBy::guess);
    }
    const bool none = core_.objects.parts<Service>(service_key).empty();
    if (!refused.empty() && out->endpoints.empty())
      out->empty_because = "Service " + service_key + " leads to " + refused;
    else
      empty(reference(*service), Severity::warning, "NoEndpoints", "", "",
            none ? "an EndpointSlice labelled kubernetes.io/service-name=" + c.key->service + ", or --endpoint"
                 : "a ready endpoint",
            none ? "Service " + service_key + " has no EndpointSlice"
                 : "Service " + service_key + " has no ready endpoint for port " + c.key->port);
    own_endpoints = !former && !out->endpoints.empty();
  }
  std::shared_ptr<const model::Cluster> made = c.built && *c.built == *out ? c.built : out;
  if (own_endpoints && !c.key->udp && !c.users.empty()) remember(c, port ? *port : led_by, made);
  if (!former && !out->endpoints.empty()) {
    core_.graces.settle(*this, name, c.grace);
    c.before.clear();
  }

  follow(external, name, c);
  return made;
}

// service-upstream: the Service's cluster address is the one endpoint, beside those of --endpoint. False: the pods are.
bool Clusters::by_cluster_address(const State& c, const Service& service, const ServicePort& port,
                                  const std::string& unanswered, model::Cluster& out, Entries& entries) const {
  if (!c.balancing || !c.balancing->by_service || c.key->udp) return false;
  const auto first = service.cluster_ips.empty() ? std::string() : service.cluster_ips.front();
  if (!is_ipv4(first) && !is_ipv6(first)) {
    entries.push_back({reference(service),
                       {Severity::warning, "NoEffect", "spec.clusterIP", shorten(first),
                        "a cluster address, as service-upstream is asked for", "its endpoints are used"}});
    return false;
  }
  Sieve sieve(slices_say(), allowed_destinations(), core_.own.get(), c.key->transport());
  if (sieve.takes(first, port.port)) out.endpoints.push_back({first, port.port, true, false, false, ""});
  out.refused += sieve.refused();
  sieve.report(reference(service), "spec.clusterIP", "", out.endpoints.empty() ? unanswered : "nothing is sent there",
               entries);
  if (out.endpoints.empty()) out.empty_because = "Service " + c.key->service_key() + " leads to " + sieve.text();
  return true;
}

// A host that an annotation names (auth-url), and no Service.
std::shared_ptr<const model::Cluster> Clusters::build_outside(const std::string& name, State& c, Entries& entries) {
  auto out = std::make_shared<model::Cluster>();
  const std::string& host = c.key->service;
  out->name = name;
  out->upstream_name = names_.at(*c.key).upstream_name;
  out->service = host;
  out->port = c.key->port;
  out->outside = out->question = true;
  const auto number = static_cast<std::uint16_t>(parse_int(c.key->port).value_or(0));
  // Namespaces know nothing of each other: each Ingress that names it is told, for each of its uses.
  const auto each_user = [&](auto&& tell) {
    std::set<std::tuple<std::string_view, std::string_view, Use>> told;
    const auto one = [&](const ClusterUser& user) {
      if (!told.emplace(user.ref->ns, user.ref->name, user.use).second) return;
      const Use use = user.use;
      tell(*user.ref,
           use == Use::mirror ? "mirror-target"
           : use == Use::pass ? "proxy_pass"
                              : "auth-url",
           use == Use::mirror ? "no copies are made"
           : use == Use::pass ? "requests for it answer 503"
                              : "requests answer 500");
    };
    if (c.users.empty()) one(c.last);
    for (const auto& [host_or_port, user] : c.users) one(user);
  };
  using Told = const std::string&;
  const bool address = is_ipv4(host) || is_ipv6(host);
  const bool listed = !address && name_allowed(host, allowed_destinations());
  Sieve sieve(listed ? Says::operator_ : Says::question, allowed_destinations(), core_.own.get());
  std::string external;
  if (address) {
    if (sieve.takes(host, number)) out->endpoints.push_back({host, number, true, false, false, ""});
  } else if (const auto refused = judge_name(host, allowed_destinations()); refused || spells_address(host)) {
    ++out->refused;
    each_user([&](const model::ObjectRef& user, Told field, Told answer) {
      entries.push_back(refusal_entry(user, field, host, refused.value_or(Refusal::unspecified), answer));
    });
  } else {
    external = host;
    const auto& r = resolutions_[external];
    std::size_t usable = 0;
    for (const auto& a : r.addresses)
      if (sieve.takes(a, number) && ++usable <= kMaxExternalAddresses)
        out->endpoints.push_back({a, number, true, false, false, ""});
    if (out->endpoints.empty() && sieve.refused() == 0) {
      each_user([&](const model::ObjectRef& user, Told field, Told answer) {
        if (r.answered)
          entries.push_back({user,
                             {Severity::warning, "UnresolvedName", field, host, "a name that resolves",
                              answer + ": " + host + ": " + r.error}});
        else if (resolve_later_ && entries.empty())  // no fault: said once
          entries.push_back(
              {user, {Severity::ignored, "ResolvedAtRunTime", field, host, "", "the name is resolved when serving"}});
      });
    }
  }
  out->refused += sieve.refused();
  if (sieve.refused() > 0)
    each_user([&](const model::ObjectRef& user, Told field, Told answer) {
      sieve.report(user, field, address ? "" : host, out->endpoints.empty() ? answer : "its other addresses are used",
                   entries);
    });
  if (out->endpoints.empty()) out->empty_because = host + " has no address that is used";
  follow(external, name, c);
  return c.built && *c.built == *out ? c.built : out;
}

// The name that is to be resolved for the cluster from here on; empty: none.
void Clusters::follow(const std::string& external, const std::string& name, State& c) {
  if (external == c.external) return;
  if (!c.external.empty())
    if (auto it = externals_.find(c.external.str());
        it != externals_.end() && it->second.erase(name) && it->second.empty())
      externals_.erase(it);
  if (!external.empty()) externals_[external].insert(name);
  c.external = external;
}

void Clusters::recount(const std::string& service) {
  const auto slash = service.find('/');
  const ClusterKey first{service.substr(0, slash), service.substr(slash + 1), "", false};
  std::vector<const ClusterTexts*> ports;
  for (auto at = names_.lower_bound(first);
       at != names_.end() && at->first.service == first.service && at->first.ns == first.ns; ++at)
    ports.push_back(&at->second);
  const auto before = many_ports_.find(service);
  if (ports.size() > kOwnPorts)
    many_ports_[service] = static_cast<std::uint32_t>(ports.size());
  else if (before != many_ports_.end())
    many_ports_.erase(before);
  else
    return;
  for (const ClusterTexts* port : ports) dirty_.insert(port->name.str());
}

std::size_t Clusters::most_endpoints(const ClusterKey& key, const model::Balancing* balancing) const {
  if (many_ports_.empty()) return kMostEndpoints;
  const auto at = many_ports_.find(key.service_key());
  if (at == many_ports_.end()) return kMostEndpoints;
  const bool placed = balancing && (balancing->hash_by || balancing->affinity);
  return std::clamp<std::size_t>((placed ? kMostPlacements : kMostOfService) / at->second, 1, kMostEndpoints);
}

void Clusters::drop(const std::string& name, State& c, model::Change& change) {
  const bool outside = c.key->ns.empty();
  follow({}, name, c);
  core_.references.set(c.names, *this, all_.find(name)->first, {});
  core_.graces.settle(*this, name, c.grace);
  core_.graces.settle(*this, name, c.unused);
  core_.problems.say("cluster/" + name, {});
  if (c.built) change.clusters.push_back(name);
  core_.model->clusters.erase(name);
  if (!outside) recounted_.insert(c.key->service_key());
  last_asked_ = names_.end();
  names_.erase(names_.find(*c.key));
  all_.erase(all_.find(name));
}

// One that nobody leads to any more stays for a while, as requests may be on their way to it: a backend has been
// replaced. What its endpoints are is followed meanwhile, so that none is asked that is gone.
void Clusters::rebuild(const std::string& name, model::Change& change) {
  const auto it = all_.find(name);
  if (it == all_.end()) return;
  State& c = it->second;
  const bool used = !c.users.empty();
  if (used) {
    core_.graces.settle(*this, name, c.unused);
  } else {
    if (!c.key->ns.empty()) perhaps_unused_.insert(c.key->service_key());
    outdate(c);
    if (!c.built || c.built->endpoints.empty() || !core_.graces.graced(*this, name, c.unused))
      return drop(name, c, change);
  }
  ++core_.work.clusters;
  if (c.names.empty() && !c.key->ns.empty())
    core_.references.set(c.names, *this, it->first, {name_of<Service>(c.key->service_key())});
  Entries entries;
  auto built = build(name, c, entries);
  if (!used && built->endpoints.empty()) return drop(name, c, change);
  core_.problems.say("cluster/" + name, used ? std::move(entries) : Entries{});
  if (c.built == built) return;
  outdate(c);
  c.built = built;
  core_.model->clusters[name] = built;
  change.clusters.push_back(name);
}

bool Clusters::is_used(const std::string& service) const {
  const auto slash = service.find('/');
  const ClusterKey first{service.substr(0, slash), service.substr(slash + 1), "", false};
  for (auto at = names_.lower_bound(first);
       at != names_.end() && at->first.service == first.service && at->first.ns == first.ns; ++at)
    if (const auto c = all_.find(at->second.name.view()); c != all_.end() && !c->second.users.empty()) return true;
  return false;
}

void Clusters::rebuild(model::Change& change) {
  bool marked = false;
  do {
    for (const auto& service : std::exchange(recounted_, {})) recount(service);
    const auto names = std::exchange(dirty_, {});
    for (const auto& name : names) rebuild(name, change);
    marked = marked || !names.empty();
  } while (!recounted_.empty());  // what is not used any more leaves its share to the others
  if (std::exchange(report_unused_, false) || marked || !change.hosts.empty()) report_unused_endpoints();
  std::erase_if(resolutions_, [&](auto& r) { return !externals_.contains(r.first); });
  for (auto& service : std::exchange(perhaps_unused_, {}))
    if (!is_used(service)) formers_.erase(service);
}

}  // namespace sluice::control
