#pragma once
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "../unit/data/pem.h"
#include "control/kube/annotations/registry.h"
#include "control/kube/options.h"
#include "control/kube/store.h"
#include "data/compiler/compiler.h"
#include "data/routing/route_table.h"
#include "net/tls/tls.h"

// Namespaces beside each other, from objects to what workers serve from: a Store and a Compiler, and what all of it
// means for one namespace.
namespace sluice::tenancy {

using Annotations = std::map<std::string, std::string>;  // names without prefix

struct Path {
  std::string path, type = "Prefix";
};

struct IngressSpec {
  std::string ns, name;
  std::int64_t created = 0;
  std::map<std::string, std::vector<Path>> hosts{};  // rules; the Service is the namespace's
  Annotations annotations{};
  std::vector<std::pair<std::vector<std::string>, std::string>> tls{};  // hosts, Secret
  bool default_backend = false;
  std::string class_name = "nginx";
};

inline control::ObjectPtr object(const IngressSpec& spec) {
  control::Ingress out;
  out.meta.ns = spec.ns;
  out.meta.name = spec.name;
  out.meta.created = spec.created;
  for (const auto& [name, value] : spec.annotations)
    out.meta.annotations["nginx.ingress.kubernetes.io/" + name] = value;
  out.class_name = spec.class_name;
  const control::Backend backend{.service = "svc", .port = "80", .port_is_number = true};
  if (spec.default_backend) out.default_backend = backend;
  for (const auto& [host, paths] : spec.hosts) {
    control::IngressRule rule{host, {}};
    for (const Path& p : paths) rule.paths.push_back({p.path, p.type, backend});
    out.rules.push_back(std::move(rule));
  }
  for (const auto& [hosts, secret] : spec.tls) out.tls.push_back({hosts, secret});
  return std::make_shared<const control::Object>(std::move(out));
}

// A ConfigMap of ports that lead to Services, of the namespace that has those in a cluster, too.
inline control::ObjectPtr ports(const std::string& name, const std::map<std::string, std::string>& data) {
  control::ConfigMap out;
  out.meta.ns = "ingress-nginx";
  out.meta.name = name;
  for (const auto& [port, to] : data) out.data[port] = to;
  return std::make_shared<const control::Object>(std::move(out));
}

// How the pods of a Cluster are chosen and checked, as annotations would ask for it.
inline std::string balancing(const model::Cluster& cluster) {
  const model::RouteSettings plain;
  model::RouteSettings settings;
  settings.balancing = cluster.balancing;
  std::string out = cluster.balanced_by.empty() ? "" : " as " + cluster.balanced_by.str() + " says";
  for (const control::Annotation& row : control::annotations())
    if (const std::string value = row.value.print({settings}); value != row.value.print({plain}))
      out.append(" ").append(row.name).append("=").append(value);
  return out;
}

// What a namespace has. Equal Views: no route, label, Cluster, certificate, port, status or report of it differs.
struct View {
  std::vector<model::Route> routes;
  std::vector<model::Cluster> clusters;  // in the order of their names
  std::vector<model::StreamListener> streams;
  std::string text;  // the rest, and these in short
  bool operator==(const View&) const = default;
};

inline std::ostream& operator<<(std::ostream& out, const View& view) {
  return out << view.text;
}

inline testing::AssertionResult same(const View& found, const View& expected) {
  if (found == expected) return testing::AssertionSuccess();
  auto failure = testing::AssertionFailure() << "other than alone:\n";
  const auto lines = [](const View& view) {
    std::multiset<std::string> out;
    std::istringstream in(view.text);
    for (std::string line; std::getline(in, line);) out.insert(line);
    return out;
  };
  if (found.routes.size() != expected.routes.size())
    failure << found.routes.size() << " routes instead of " << expected.routes.size() << '\n';
  const auto a = lines(found), b = lines(expected);
  for (const auto& line : a)
    if (b.count(line) < a.count(line)) failure << "+ " << line << '\n';
  for (const auto& line : b)
    if (a.count(line) < b.count(line)) failure << "- " << line << '\n';
  for (std::size_t i = 0; i < std::min(found.routes.size(), expected.routes.size()); ++i)
    if (const auto &f = found.routes[i], &e = expected.routes[i]; !(f == e))
      failure << e.path << " of " << e.ingress << ": " << (*f.settings == *e.settings ? "labels" : "settings")
              << " differ" << (f.settings->upstream_tls && e.settings->upstream_tls ? "; both with proxy-ssl" : "")
              << '\n';
  for (std::size_t i = 0; i < std::min(found.clusters.size(), expected.clusters.size()); ++i)
    if (!(found.clusters[i] == expected.clusters[i]))
      failure << "cluster " << expected.clusters[i].name << " differs\n";
  return failure;
}

class World {
 public:
  explicit World(control::Settings settings = {}) : store_(std::move(settings)) {}

  // Service, endpoint, Secret and ConfigMap of a namespace: "svc" with port 80 of both transports, "pair" for spec.tls
  // and for proxy-ssl-secret, "headers" for custom-headers and fastcgi-params-configmap.
  void equip(const std::string& ns, const test::Pem& pem) {
    control::Service service;
    service.meta.ns = ns;
    service.meta.name = "svc";
    service.ports.emplace_back().port = 80;
    service.ports.back().target = "8080";
    service.ports.push_back({"udp", 80, "8080", "UDP", {}});
    store_.upsert(std::make_shared<const control::Object>(std::move(service)));
    control::EndpointSlice slice;
    slice.meta.ns = ns;
    slice.meta.name = "svc-1";
    slice.address_type = "IPv4";
    slice.service = "svc";
    slice.endpoints.emplace_back().addresses = {"10.0.0." + std::to_string(++addresses_)};
    slice.ports.emplace_back().port = 8080;
    slice.ports.push_back({"udp", 8080, "UDP"});
    store_.upsert(std::make_shared<const control::Object>(std::move(slice)));
    control::Secret secret;
    secret.meta.ns = ns;
    secret.meta.name = "pair";
    secret.data = {
        {"tls.crt", pem.chain}, {"tls.key", pem.key}, {"ca.crt", pem.chain}, {"auth", "user:{PLAIN}password\n"}};
    store_.upsert(std::make_shared<const control::Object>(std::move(secret)));
    control::ConfigMap headers;
    headers.meta.ns = ns;
    headers.meta.name = "headers";
    headers.data = {{"X-Taken", "theirs"}};
    store_.upsert(std::make_shared<const control::Object>(std::move(headers)));
  }
  void put(const control::ObjectPtr& made) {
    store_.upsert(made);
    dirty_ = true;
  }
  void put(const IngressSpec& spec) { put(object(spec)); }
  void take(const IngressSpec& spec) {
    store_.erase(*object(spec));
    dirty_ = true;
  }

  // `requests`: "host/path", whose answers are looked at too.
  View view(const std::string& ns, const std::vector<std::string>& requests) {
    commit();
    View out;
    std::ostringstream text;
    for (const auto& [name, host] : std::map(model_->hosts.begin(), model_->hosts.end())) {
      if (host->ns == ns) {
        text << "host " << name << (host->tls ? " tls" : "") << (host->passthrough ? " passthrough" : "");
        for (const auto& named : host->certificates)
          for (const auto& secret : named.secrets) text << ' ' << secret;
        if (host->tls_policy)
          text << " ciphers " << host->tls_policy->ciphers << host->tls_policy->prefer_server_ciphers << " clients "
               << (host->tls_policy->client_auth ? host->tls_policy->client_auth->secret : "");
        if (const auto* pairs = snapshot_->certificates->find(name))
          for (const auto& pair : *pairs) text << ' ' << pair->key_type() << ' ' << pair->serial();
        text << '\n';
      }
      std::map<std::tuple<std::string, model::PathMatch>, model::Route> routes;
      for (const model::Route& r : host->routes)
        if (r.ns == ns && !is_place_kept_free(r) && !is_free(r)) routes.emplace(std::tuple(r.path.str(), r.match), r);
      for (auto& [key, route] : routes) {
        route.rank = 0;  // its place in the line is not what it has
        out.routes.push_back(std::move(route));
      }
    }
    for (const model::Route& r : out.routes)
      text << "route " << static_cast<int>(r.match) << ' ' << r.path << " of " << r.ingress << " -> "
           << (r.cluster.empty() ? std::to_string(r.status) : r.upstream_name.str()) << '\n';
    for (const auto& [name, cluster] : std::map(model_->clusters.begin(), model_->clusters.end()))
      if (cluster->ns == ns) {
        text << "cluster " << name << ' ' << cluster->endpoints.size() << balancing(*cluster) << '\n';
        out.clusters.push_back(*cluster);
      }
    for (const model::StreamListener& l : *model_->streams)
      if (l.ns == ns) {
        text << "port " << model::to_string(l.transport) << ' ' << l.port << " -> " << l.cluster << '\n';
        out.streams.push_back(l);
      }
    for (const auto& [key, yes] : served_)
      if (key.starts_with(ns + "/")) text << "served " << key << ' ' << yes << '\n';
    for (const model::Report* report : {&model_->report, &compiler_.report()})
      for (const model::Entry& e : report->entries)
        if (e.object.ns == ns) text << model::Report::line(e) << '\n';
    for (const std::string& request : requests) text << request << " -> " << answer(request) << '\n';
    out.text = text.str();
    return out;
  }

  // Whose route answers.
  std::string answer(const std::string& request) {
    commit();
    const auto slash = request.find('/');
    const data::Route* route = snapshot_->routes->match(request.substr(0, slash), request.substr(slash));
    if (!route) return "404";
    std::ostringstream out;
    out << route->host << ' ' << route->spec->ns << ' ' << route->spec->ingress << ' ' << route->spec->service << ' '
        << route->spec->location << ' ' << route->forwards << route->host_tls;
    const data::Route* root = snapshot_->routes->root(request.substr(0, slash));
    out << (root != nullptr && root->passthrough);
    return out.str();
  }

  const model::Model& model() {
    commit();
    return *model_;
  }
  std::vector<model::Problem> problems(const std::string& ns) {
    commit();
    std::vector<model::Problem> out;
    for (const model::Report* report : {&model_->report, &compiler_.report()})
      for (const model::Entry& e : report->entries)
        if (e.object.ns == ns) out.push_back(e.problem);
    return out;
  }

 private:
  // The / that nobody has asked for, be it closed with the rest of its owner's: anybody may.
  static bool is_free(const model::Route& r) {
    return r.path == "/" && r.path_type.empty() && r.cluster.empty() && !r.settings->redirect;
  }
  // For a path of an Ingress that is refused: it leads where requests go without it, by the route of a shorter path.
  static bool is_place_kept_free(const model::Route& r) { return r.rank % 2 == 1; }

  void commit() {
    if (!std::exchange(dirty_, false)) return;
    const control::Update update = store_.commit();
    model_ = update.model;
    snapshot_ = compiler_.compile(*model_, update.change).snapshot;
    for (const auto& [key, yes] : store_.feedback().served) served_[key.object] = yes;
    std::erase_if(served_, [](const auto& s) { return !s.second; });
  }

  control::Store store_;
  data::Compiler compiler_;
  std::shared_ptr<const model::Model> model_;
  std::shared_ptr<const data::Snapshot> snapshot_;
  std::map<std::string, bool> served_;
  bool dirty_ = true;
  int addresses_ = 0;
};

}  // namespace sluice::tenancy
