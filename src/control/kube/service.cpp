#include <optional>
#include <utility>

#include "control/destination.h"
#include "control/kube/grammar.h"
#include "control/kube/state.h"

namespace sluice::control {

namespace {
using model::Severity;
constexpr std::size_t kMaxExternalAddresses = 64;

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
}  // namespace

// By number or by name, however the Ingress says it.
std::vector<std::string> Store::State::spellings(const ClusterKey& key) const {
  if (extra.empty()) return {};
  const std::string service = key.service_key();
  std::set<std::string> ports{key.port};
  if (const auto found = services.find(service); found != services.end())
    if (const auto* port = find_port(std::get<Service>(*found->second), key.port, key.udp))
      ports.insert({std::to_string(port->port), port->name});
  std::vector<std::string> out;
  for (const auto& port : ports)
    if (!port.empty()) out.push_back(service + ":" + port);
  return out;
}

// What no Ingress leads to. A Service of the same name, or another port of it, is what may have been meant.
void Store::State::report_unused_endpoints() {
  if (extra.empty()) return;
  std::set<std::string> used;
  std::map<std::string, std::string> by_name;  // Service without namespace → a cluster
  for (const auto& [name, c] : clusters) {
    for (auto& spelling : spellings(*c.key)) used.insert(std::move(spelling));
    by_name.try_emplace(c.key->service, name);
  }
  Entries entries;
  for (const auto& [key, endpoints] : extra) {
    if (used.contains(key)) continue;
    const auto slash = key.find('/');
    const auto meant = by_name.find(key.substr(slash + 1, key.rfind(':') - slash - 1));
    entries.push_back({{"CommandLine", "", "--endpoint", {}},
                       {model::Severity::warning, "UnusedEndpoint", "--endpoint " + key, "",
                        "a Service and a port that an Ingress leads to" +
                            (meant == by_name.end() ? "" : ", such as " + meant->second),
                        "it is not used"}});
  }
  say("endpoints", std::move(entries));
}

std::shared_ptr<const model::Cluster> Store::State::build_cluster(const std::string& name, ClusterState& c,
                                                                  Entries& entries) {
  if (c.key->ns.empty()) return build_outside(name, c, entries);
  auto out = std::make_shared<model::Cluster>();
  out->name = name;
  out->upstream_name = cluster_names.at(*c.key).upstream_name;
  out->ns = c.key->ns;
  out->service = c.key->service;
  out->port = c.key->port;
  choose_balancing(name, c);
  out->balancing = c.balancing;
  out->balanced_by = c.balanced_by;
  if (c.in_vain) entries.add(*c.in_vain);
  const auto service_key = c.key->service_key();
  auto found = services.find(service_key);
  const Service* service = found == services.end() ? nullptr : &std::get<Service>(*found->second);
  const model::ObjectRef& user = *c.users.begin()->second.ref;
  const auto by = ingresses.find(user.ns.str() + "/" + user.name.str());
  // Of ports alone: what they lack is said of their own object (report_streams).
  const bool streams_only = is_stream_user(c.users.begin()->first);
  const std::string unanswered = streams_only                                 ? "its ports lead nowhere"
                                 : by != ingresses.end() && by->second.canary ? "its canary takes no requests"
                                                                              : "requests for it answer 503";
  const ServicePort* port = service ? find_port(*service, c.key->port, c.key->udp) : nullptr;
  std::string external;
  bool former = false, own_endpoints = false;  // it leads to former ones; to those of its slices

  if (service) read_proxy_protocol(*service, reference(*found->second), *out, entries);
  if (port && !port->app_protocol.empty()) {
    if (const auto protocol = read_app_protocol(port->app_protocol))
      out->protocol = *protocol;
    else if (!streams_only)
      entries.push_back(
          {reference(*found->second),
           {Severity::ignored, "UnknownAppProtocol",
            "spec.ports[" + std::to_string(port - service->ports.data()) + "].appProtocol", shorten(port->app_protocol),
            "http, https, grpc, grpcs, kubernetes.io/h2c, kubernetes.io/ws or kubernetes.io/wss",
            "its pods are spoken to by HTTP/1.1 unless backend-protocol says otherwise"}});
  }
  Sieve extras(Says::operator_, allowed_destinations(), own.get(), c.key->transport());
  for (const auto& spelling : spellings(*c.key)) {
    const auto it = extra.find(spelling);
    if (it == extra.end()) continue;
    for (auto& e : it->second)
      if (std::none_of(out->endpoints.begin(), out->endpoints.end(),
                       [&](auto& have) { return have.address == e.address && have.port == e.port; }) &&
          extras.takes(e.address, e.port))
        out->endpoints.push_back({e.address, e.port, true, false, ""});
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
  } else if (service->type == "ExternalName") {
    const std::uint16_t number = outside_port(port, c.key->port);
    auto target = service->external_name;
    while (target.ends_with('.')) target.pop_back();
    const auto name_says = judge_name(lower(target), allowed_destinations());
    if (is_ipv4(target) || is_ipv6(target) || spells_address(target)) {
      empty(reference(*found->second), Severity::error, "ExternalNameIsAddress", "spec.externalName", target,
            "a DNS name; addresses go into an EndpointSlice", "externalName is an address, not a name");
    } else if (!is_host_name(target, false)) {
      empty(reference(*found->second), Severity::error, "InvalidExternalName", "spec.externalName", shorten(target),
            "a DNS name", "externalName is not a DNS name");
    } else if (number == 0) {
      empty(user, Severity::warning, "MissingPort", "backend.service.port", c.key->port,
            "a port of Service " + service_key, "Service " + service_key + " has no port " + c.key->port);
    } else if (name_says) {
      ++out->refused;
      if (out->endpoints.empty())
        out->empty_because = "externalName " + target + " is " + std::string(to_string(*name_says));
      entries.push_back(refusal_entry(reference(*found->second), "spec.externalName", target, *name_says,
                                      out->endpoints.empty() ? unanswered : "nothing is sent there"));
    } else {
      out->outside = true;
      external = lower(target);
      auto& r = resolutions[external];
      const bool listed = name_allowed(external, allowed_destinations());
      Sieve sieve(listed ? Says::operator_ : Says::name, allowed_destinations(), own.get(), c.key->transport());
      std::size_t usable = 0;
      for (auto& address : r.addresses)
        if (sieve.takes(address, number) && ++usable <= kMaxExternalAddresses)
          out->endpoints.push_back({address, number, true, false, ""});
      if (usable > kMaxExternalAddresses)
        entries.push_back({reference(*found->second),
                           {Severity::warning, "TooMany", "spec.externalName", target,
                            "a name with at most " + std::to_string(kMaxExternalAddresses) + " addresses",
                            "of its " + std::to_string(usable) + " the first in order are used"}});
      out->refused += sieve.refused();
      sieve.report(reference(*found->second), "spec.externalName", external,
                   out->endpoints.empty() ? unanswered : "its other addresses are used", entries);
      if (sieve.refused() > 0) {
        if (out->endpoints.empty()) out->empty_because = external + " leads to " + sieve.text();
      } else if (!r.answered && resolve_later) {
        out->empty_because = external + " is resolved when serving";
        entries.push_back({reference(*found->second),
                           {Severity::ignored, "ResolvedAtRunTime", "spec.externalName", target, "",
                            "the name is resolved when serving"}});
      } else if (!r.answered) {
        former = out->endpoints.empty() && use_former(name, c, port, *out);
        if (out->endpoints.empty()) out->empty_because = external + " is being resolved";
      } else
        empty(reference(*found->second), Severity::warning, "UnresolvedName", "spec.externalName", target,
              "a name that resolves", external + ": " + r.error);
    }
  } else if (!port) {
    empty(user, Severity::warning, "MissingPort", "backend.service.port", c.key->port,
          "a port of Service " + service_key, "Service " + service_key + " has no port " + c.key->port);
  } else {
    auto refused = add_slices(c, *port, *out, entries, PortBy::listed);
    if (refused.empty() && out->endpoints.empty()) {
      former = !c.key->udp && use_former(name, c, port, *out);
      if (!former) refused = add_slices(c, *port, *out, entries, PortBy::guess);
    }
    bool none = !slices.contains(service_key);
    if (!refused.empty() && out->endpoints.empty())
      out->empty_because = "Service " + service_key + " leads to " + refused;
    else
      empty(reference(*found->second), Severity::warning, "NoEndpoints", "", "",
            none ? "an EndpointSlice labelled kubernetes.io/service-name=" + c.key->service + ", or --endpoint"
                 : "a ready endpoint",
            none ? "Service " + service_key + " has no EndpointSlice"
                 : "Service " + service_key + " has no ready endpoint for port " + c.key->port);
    own_endpoints = !former && !out->endpoints.empty();
  }
  std::shared_ptr<const model::Cluster> made = c.built && *c.built == *out ? c.built : out;
  if (own_endpoints && !c.key->udp) remember(c, *port, made);
  if (!former && !out->endpoints.empty()) settle(Kept::cluster, name, c.grace);

  follow(external, name, c);
  return made;
}

// A host that an annotation names (auth-url), and no Service.
std::shared_ptr<const model::Cluster> Store::State::build_outside(const std::string& name, ClusterState& c,
                                                                  Entries& entries) {
  auto out = std::make_shared<model::Cluster>();
  const std::string& host = c.key->service;
  out->name = name;
  out->upstream_name = cluster_names.at(*c.key).upstream_name;
  out->service = host;
  out->port = c.key->port;
  out->outside = out->question = true;
  const auto number = static_cast<std::uint16_t>(parse_int(c.key->port).value_or(0));
  const model::ObjectRef& user = *c.users.begin()->second.ref;
  const auto by = ingresses.find(user.ns.str() + "/" + user.name.str());
  const bool mirror = by != ingresses.end() && by->second.settings && by->second.settings->mirror &&
                      by->second.settings->mirror->host == host;
  const std::string field = mirror ? "mirror-target" : "auth-url";
  const std::string answer = mirror ? "no copies are made" : "requests answer 500";
  const bool address = is_ipv4(host) || is_ipv6(host);
  const bool listed = !address && name_allowed(host, allowed_destinations());
  Sieve sieve(listed ? Says::operator_ : Says::question, allowed_destinations(), own.get());
  std::string external;
  if (address) {
    if (sieve.takes(host, number)) out->endpoints.push_back({host, number, true, false, ""});
  } else if (const auto refused = judge_name(host, allowed_destinations()); refused || spells_address(host)) {
    ++out->refused;
    entries.push_back(refusal_entry(user, field, host, refused.value_or(Refusal::unspecified), answer));
  } else {
    external = host;
    const auto& r = resolutions[external];
    std::size_t usable = 0;
    for (const auto& a : r.addresses)
      if (sieve.takes(a, number) && ++usable <= kMaxExternalAddresses)
        out->endpoints.push_back({a, number, true, false, ""});
    if (out->endpoints.empty() && sieve.refused() == 0) {
      if (!r.answered && resolve_later)
        entries.push_back(
            {user, {Severity::ignored, "ResolvedAtRunTime", field, host, "", "the name is resolved when serving"}});
      else if (r.answered)
        entries.push_back({user,
                           {Severity::warning, "UnresolvedName", field, host, "a name that resolves",
                            answer + ": " + host + ": " + r.error}});
    }
  }
  out->refused += sieve.refused();
  sieve.report(user, field, address ? "" : host, out->endpoints.empty() ? answer : "its other addresses are used",
               entries);
  if (out->endpoints.empty()) out->empty_because = host + " has no address that is used";
  follow(external, name, c);
  return c.built && *c.built == *out ? c.built : out;
}

// The name that is to be resolved for the cluster from here on; empty: none.
void Store::State::follow(const std::string& external, const std::string& name, ClusterState& c) {
  if (external == c.external) return;
  if (!c.external.empty())
    if (auto it = externals.find(c.external.str());
        it != externals.end() && it->second.erase(name) && it->second.empty())
      externals.erase(it);
  if (!external.empty()) externals[external].insert(name);
  c.external = external;
}

void Store::State::rebuild_cluster(const std::string& name, model::Change& change) {
  auto it = clusters.find(name);
  if (it == clusters.end()) return;
  auto& c = it->second;
  const auto service_key = c.key->service_key();
  if (c.users.empty()) {
    if (!c.external.empty())
      if (auto e = externals.find(c.external.str()); e != externals.end() && e->second.erase(name) && e->second.empty())
        externals.erase(e);
    if (auto s = clusters_of_service.find(service_key);
        s != clusters_of_service.end() && s->second.erase(name) && s->second.empty()) {
      clusters_of_service.erase(s);
      perhaps_unused.insert(service_key);
    }
    settle(Kept::cluster, name, c.grace);
    outdate(c);
    say("cluster/" + name, {});
    if (c.built) change.clusters.push_back(name);
    model->clusters.erase(name);
    cluster_names.erase(cluster_names.find(*c.key));
    clusters.erase(it);
    return;
  }
  ++work.clusters;
  clusters_of_service[service_key].insert(name);
  Entries entries;
  auto built = build_cluster(name, c, entries);
  say("cluster/" + name, std::move(entries));
  if (c.built == built) return;
  outdate(c);
  c.built = built;
  model->clusters[name] = built;
  change.clusters.push_back(name);
}

}  // namespace sluice::control
