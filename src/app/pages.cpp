#include "app/pages.h"

#include <boost/json.hpp>
#include <boost/json/monotonic_resource.hpp>
#include <utility>

#include "app/describe.h"
#include "app/terminal.h"
#include "data/routing/host_routes.h"
#include "data/snapshot/streams.h"

namespace sluice::app {

namespace json = boost::json;

namespace {

json::object route(const data::Route& r) {
  const auto& s = *r.spec;
  json::object o{{"host", r.host},         {"match", model::to_string(s.match)},
                 {"path", s.path},         {"namespace", s.ns},
                 {"ingress", s.ingress},   {"service", s.service},
                 {"port", s.service_port}, {"cluster", s.upstream_name},
                 {"location", s.location}, {"pathType", s.path_type},
                 {"tls", r.host_tls}};
  if (const auto why = closed_because(s); !why.empty()) {
    o["status"] = closed_status(s);
    o["because"] = why;
  } else if (s.settings && s.settings->redirect) {
    o["redirect"] = s.settings->redirect->location.text();
    o["status"] = s.settings->redirect->status;
  } else if (s.settings && s.settings->to_host)
    o["redirectsTo"] = s.settings->to_host->host;
  else if (s.match == model::PathMatch::snippet_slash) {
    o["redirect"] = s.path + "/";
    o["status"] = 301;
  } else if (s.cluster.empty())
    o["status"] = s.status;
  if (r.choice != nullptr) o["canary"] = to_json(*s.canary);
  if (!s.origin.file.empty()) o["origin"] = s.origin.file + ":" + std::to_string(s.origin.line);
  return o;
}

json::object cluster(const model::Cluster& c, const EndpointStates& state) {
  json::array endpoints;
  const auto states = state(c);
  for (std::size_t i = 0; i < c.endpoints.size(); ++i) {
    const auto& e = c.endpoints[i];
    json::object endpoint{{"address", e.address},         {"port", e.port}, {"ready", e.ready},
                          {"terminating", e.terminating}, {"far", e.far},   {"pod", e.pod}};
    if (!states[i].empty()) endpoint["health"] = states[i];
    endpoints.push_back(std::move(endpoint));
  }
  json::object o{{"name", c.upstream_name},
                 {"namespace", c.ns},
                 {"service", c.service},
                 {"port", c.port},
                 {"protocol", model::to_string(c.protocol)},
                 {"endpoints", std::move(endpoints)}};
  if (!c.empty_because.empty()) o["emptyBecause"] = c.empty_because.view();
  if (c.balancing && c.balancing->health) o["healthCheck"] = health_check_text(*c.balancing->health);
  return o;
}

// A page of thousands of routes takes tens of megabytes until it is text. They are taken in large pieces, which the
// kernel has back as soon as they are not needed; small ones would lie between others' for ever.
json::storage_ptr memory_of_a_page() {
  return json::make_shared_resource<json::monotonic_resource>();
}

json::array routes(const Publisher& publisher, json::storage_ptr memory) {
  json::array out(std::move(memory));
  if (const auto snapshot = publisher.snapshot())
    snapshot->routes->for_each([&](const data::Route& r) { out.push_back(route(r)); });
  return out;
}

// Further names of hosts, each with the host that has its routes.
json::object aliases(const Publisher& publisher) {
  json::object out;
  const auto snapshot = publisher.snapshot();
  if (!snapshot) return out;
  std::string_view last;
  snapshot->routes->for_each([&](const data::Route& r) {
    if (r.host == std::exchange(last, r.host)) return;
    const std::string asked = r.host.starts_with("*.") ? "x" + std::string(r.host.substr(1)) : std::string(r.host);
    const data::HostRoutes* const host = snapshot->routes->host(asked);
    if (host == nullptr || host->name() != r.host) return;
    for (const model::Alias& alias : host->spec().aliases) out[alias.name] = r.host;
  });
  return out;
}

ops::AdminResponse config(const Publisher& publisher, const std::vector<std::string>& bound,
                          const EndpointStates& state) {
  const auto memory = memory_of_a_page();
  json::object out(memory);
  const auto snapshot = publisher.snapshot();
  out["version"] = snapshot ? snapshot->version : 0;
  out["listening"] = json::array(bound.begin(), bound.end());
  const auto all = publisher.clusters();
  json::array streams;
  if (snapshot)
    for (const data::StreamTarget& t : snapshot->streams->all())
      streams.push_back(to_json(*t.spec, t.cluster < all.size() ? all[t.cluster].get() : nullptr));
  out["streams"] = std::move(streams);
  out["routes"] = routes(publisher, memory);
  out["aliases"] = aliases(publisher);
  json::array clusters(memory);
  for (const auto& c : all)
    if (c) clusters.push_back(cluster(*c, state));
  out["clusters"] = std::move(clusters);
  json::array problems(memory);
  for (const auto& e : publisher.report().entries) problems.push_back(to_json(e));
  out["report"] = std::move(problems);
  return {200, json_page(out), {}};
}

// In the words of Kubernetes' components, which ingress-nginx has it from. Its check is the one that manifests for it
// have as liveness and as readiness: a pod that has nothing to serve yet must not get requests.
ops::AdminResponse healthz(bool ready, bool draining, bool verbose) {
  const char* why = draining ? "the ingress controller is shutting down" : "waiting for the first full sync";
  const bool well = ready && !draining;
  if (well && !verbose) return {200, "ok", {}};
  return {well ? 200U : 500U,
          std::string("[+]ping ok\n") +
              (well ? std::string("[+]nginx-ingress-controller ok\nhealthz check passed\n")
                    : std::string("[-]nginx-ingress-controller failed: ") + why + "\nhealthz check failed\n"),
          {}};
}

}  // namespace

std::vector<ops::AdminPage> pages(Publisher& publisher, ops::Metrics& metrics, const std::atomic<bool>& draining,
                                  const std::vector<std::string>& bound, EndpointStates state) {
  using enum ops::AdminReaders;
  const std::string text = "text/plain; charset=utf-8", as_json = "application/json";
  std::vector<ops::AdminPage> all;
  all.push_back({"/livez", text, "200 while the process lives",
                 [](const ops::AdminRequest&) { return ops::AdminResponse{200, "ok\n", {}}; }});
  all.push_back({"/healthz", text,
                 "as ingress-nginx: 200 once the first full sync is served; 500 before it and while draining",
                 [&publisher, &draining](const ops::AdminRequest& request) {
                   const bool verbose = request.query.find("verbose") != std::string::npos;
                   return healthz(publisher.ready(), draining.load(), verbose);
                 }});
  all.push_back({"/readyz", text, "200 once the first full sync is served; 503 before it and while draining",
                 [&publisher, &draining](const ops::AdminRequest&) {
                   if (draining.load()) return ops::AdminResponse{503, "draining\n", {}};
                   if (!publisher.ready()) return ops::AdminResponse{503, "waiting for the first full sync\n", {}};
                   return ops::AdminResponse{200, "ok\n", {}};
                 }});
  for (auto& probe : all) probe.readers = everybody;
  auto metrics_page = ops::metrics_page(metrics);
  metrics_page.handler = [&publisher, render = std::move(metrics_page.handler)](const ops::AdminRequest& request) {
    publisher.count_orphans();
    return render(request);
  };
  all.push_back(std::move(metrics_page));
  ops::AdminPage config_page{
      "/config", as_json, "the live ports, routes, Clusters and Report with the Snapshot's version; no keys",
      [&publisher, &bound, state](const ops::AdminRequest&) { return config(publisher, bound, state); }};
  config_page.readers = trusted;
  config_page.slow = true;
  all.push_back(std::move(config_page));
  ops::AdminPage routes_page{"/routes", as_json, "the route table as it is matched",
                             [&publisher](const ops::AdminRequest&) {
                               return ops::AdminResponse{200, json_page(routes(publisher, memory_of_a_page())), {}};
                             }};
  routes_page.readers = trusted;
  routes_page.slow = true;
  all.push_back(std::move(routes_page));
  all.push_back({"/version", as_json, "the version of the configuration that is published",
                 [&publisher](const ops::AdminRequest&) {
                   const auto s = publisher.snapshot();
                   return ops::AdminResponse{200, "{\"version\":" + std::to_string(s ? s->version : 0) + "}\n", {}};
                 }});
  all.push_back(ops::log_level_page());
  for (auto& theirs : nginx_pages(publisher, metrics, std::move(state))) all.push_back(std::move(theirs));
  return all;
}

}  // namespace sluice::app
