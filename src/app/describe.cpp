#include "app/describe.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "control/kube/health_check.h"

namespace sluice::app {

std::string address_text(const model::Endpoint& endpoint) {
  const bool v6 = endpoint.address.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}", v6 ? "[" : "", endpoint.address, v6 ? "]" : "", endpoint.port);
}

std::string_view state_text(const model::Endpoint& endpoint) {
  if (endpoint.terminating) return "terminating; nobody else is left";
  if (!endpoint.ready) return "not ready";
  return endpoint.far ? "ready, of another zone or node" : "ready";
}

std::size_t usable(const model::Cluster& cluster) {
  auto count = [&](auto&& which) {
    return static_cast<std::size_t>(std::count_if(cluster.endpoints.begin(), cluster.endpoints.end(), which));
  };
  const std::size_t ready = count([](const model::Endpoint& e) { return e.ready; });
  return ready > 0 ? ready : count([](const model::Endpoint& e) { return e.terminating; });
}

std::string empty_text(const model::Cluster* cluster) {
  if (cluster == nullptr) return "no such Service or port";
  if (!cluster->empty_because.empty()) return cluster->empty_because.str();
  return cluster->endpoints.empty() ? "the Service has no endpoints" : "no endpoint of the Service is ready";
}

namespace {
// What endpoints of another zone or node get, as ClusterRuntime shares requests out.
std::string share_text(const model::Cluster& cluster) {
  const auto here = static_cast<std::uint32_t>(
      std::ranges::count_if(cluster.endpoints, [](const model::Endpoint& e) { return e.ready && !e.far; }));
  const double enough = std::max(cluster.near_enough, 1U) / 100.0;
  if (here == 0) return "as none is ready here they get all requests";
  if (here >= enough) return fmt::format("with {:.0f} or more here they get none", std::ceil(enough));
  return fmt::format("{} here of {:.4g} that would be enough, so that they get {:.0f} of 100 requests", here, enough,
                     100 - 100 * here / enough);
}
}  // namespace

std::string endpoints_text(const model::Cluster* cluster, int without) {
  const std::size_t all = cluster != nullptr ? cluster->endpoints.size() : 0;
  const std::size_t taking = cluster != nullptr ? usable(*cluster) : 0;
  if (taking == 0) return fmt::format("no endpoints ({}): {}", without, empty_text(cluster));
  std::string out = taking == all ? fmt::format("{} endpoint{}", all, all == 1 ? "" : "s")
                                  : fmt::format("{} of {} endpoints", taking, all);
  const auto far = std::ranges::count_if(cluster->endpoints, &model::Endpoint::far);
  return far == 0 ? out : out + fmt::format(", {} of another zone or node: {}", far, share_text(*cluster));
}

std::string canary_endpoints_text(const model::Cluster* cluster) {
  if (cluster != nullptr && usable(*cluster) > 0) return endpoints_text(cluster, 503);
  return "no endpoints (the main Service gets all requests): " + empty_text(cluster);
}

std::string_view closed_because(const model::Route& route) noexcept {
  if (!route.because.empty()) return route.because.view();
  // Asked before anything else of the route.
  const auto* const clients = route.settings ? route.settings->client_auth.get() : nullptr;
  return clients != nullptr ? std::string_view(clients->denied) : std::string_view();
}

int closed_status(const model::Route& route) noexcept {
  return route.because.empty() ? 403 : route.status;
}

std::string_view nowhere_because(const model::Route& route) noexcept {
  return route.path_type.empty() ? "no default backend" : "the backend is not a Service";
}

// The default backend may be of another namespace than the Ingress.
std::string service_namespace(const model::Route& route, const model::Cluster* cluster) {
  return cluster != nullptr ? cluster->ns : route.ns.str();
}

std::string destination_text(const model::Route& route, const model::Cluster* cluster) {
  if (const auto why = closed_because(route); !why.empty()) return fmt::format("{}: {}", closed_status(route), why);
  if (route.settings && route.settings->redirect)
    return fmt::format("{} to {}", route.settings->redirect->status, route.settings->redirect->location.text());
  if (route.settings && route.settings->to_host) return "redirected to host " + route.settings->to_host->host;
  if (route.match == model::PathMatch::snippet_slash) return "301 to " + route.path + "/";
  if (route.cluster.empty()) return fmt::format("404 ({})", nowhere_because(route));
  std::string out = fmt::format("{}/{}", service_namespace(route, cluster), route.service);
  if (!route.service_port.empty()) out.append(":").append(route.service_port.view());  // the flag may name none
  return out;
}

std::string canary_text(const model::Route& route) {
  const model::Canary& canary = *route.canary;
  const auto& rule = canary.rule;
  std::string out = fmt::format("{}/{}:{}: ", route.ns, canary.service, canary.service_port);
  if (!rule.header.empty() && !rule.value.empty())
    out += fmt::format("header {} is {}, ", rule.header, rule.value);
  else if (!rule.header.empty() && !rule.pattern.empty())
    out += fmt::format("header {} matches {}, ", rule.header, rule.pattern);
  else if (!rule.header.empty())
    out += fmt::format("header {} is always, ", rule.header);
  if (!rule.cookie.empty()) out += fmt::format("cookie {} is always, ", rule.cookie);
  const auto weight = std::clamp(rule.weight, std::int64_t{0}, rule.total);
  return out + fmt::format("{} of {} {}", weight, rule.total, out.ends_with(", ") ? "others" : "requests");
}

std::string canary_ingress_text(const model::Route& route) {
  return fmt::format("Ingress {}/{}", route.ns, route.canary->ingress);
}

std::string stream_text(const model::StreamListener& l) {
  return fmt::format("{} {} to {}/{}:{}{}{}", model::to_string(l.transport), l.port, l.ns, l.service, l.service_port,
                     l.proxy_in ? ", PROXY from clients" : "", l.proxy_out ? ", PROXY to pods" : "");
}

std::string host_text(std::string_view name) {
  return name.empty() ? "(any other host)" : std::string(name);
}

std::string ingress_text(const model::Route& route) {
  if (route.ingress.empty()) return "no Ingress";
  std::string text = fmt::format("Ingress {}/{}", route.ns, route.ingress);
  if (!route.origin.file.empty()) text += fmt::format(" ({}:{})", route.origin.file, route.origin.line);
  return text;
}

namespace {

const model::Cluster* cluster_named(const model::Model& model, std::string_view name) {
  const auto at = model.clusters.find(name);
  return at == model.clusters.end() ? nullptr : at->second.get();
}

}  // namespace

const model::Cluster* find_cluster(const model::Model& model, const model::Route& route) {
  return cluster_named(model, route.cluster);
}

const model::Cluster* find_cluster(const model::Model& model, const model::StreamListener& listener) {
  return cluster_named(model, listener.cluster);
}

namespace {
const model::Cluster* find_further(const model::Model& model, const model::Route& route, model::Role role) {
  if (!route.further) return nullptr;
  const auto of = std::ranges::find(*route.further, role, &model::FurtherCluster::role);
  return of == route.further->end() ? nullptr : cluster_named(model, of->cluster);
}
}  // namespace

const model::Cluster* find_errors_cluster(const model::Model& model, const model::Route& route) {
  return find_further(model, route, model::Role::errors);
}

const model::Cluster* find_canary_cluster(const model::Model& model, const model::Route& route) {
  return route.canary ? find_further(model, route, model::Role::canary) : nullptr;
}

boost::json::object to_json(const model::Entry& e) {
  return {{"severity", model::to_string(e.problem.severity)},
          {"object", e.object.text()},
          {"kind", e.object.kind},
          {"namespace", e.object.ns},
          {"name", e.object.name},
          {"file", e.object.origin.file},
          {"line", e.object.origin.line},
          {"reason", e.problem.reason},
          {"field", e.problem.field},
          {"value", e.problem.value},
          {"expected", e.problem.expected},
          {"consequence", e.problem.consequence},
          {"objects", e.objects}};
}

std::string health_check_text(const model::HealthCheck& check) {
  using enum model::CheckBy;
  std::string out(to_string(check.by));
  if (check.by == http)
    out += fmt::format(" GET {} for {}", check.path, control::print_check_expect(check));
  else if (check.by == grpc && !check.service.empty())
    out += " of " + check.service;
  return out + fmt::format(" every {} for {} at most, unhealthy after {}, healthy after {}",
                           control::print_check_interval(check), control::print_check_timeout(check),
                           check.unhealthy_after, check.healthy_after);
}

boost::json::object to_json(const model::Endpoint& e) {
  return {{"address", address_text(e)}, {"state", state_text(e)}, {"pod", e.pod}};
}

boost::json::object to_json(const model::Canary& canary) {
  const auto& rule = canary.rule;
  return {{"ingress", canary.ingress},       {"service", canary.service}, {"servicePort", canary.service_port},
          {"cluster", canary.upstream_name}, {"header", rule.header},     {"headerValue", rule.value},
          {"headerPattern", rule.pattern},   {"cookie", rule.cookie},     {"weight", rule.weight},
          {"weightTotal", rule.total}};
}

boost::json::object to_json(const model::StreamListener& l, const model::Cluster* cluster) {
  boost::json::object out{{"transport", model::to_string(l.transport)},
                          {"port", l.port},
                          {"namespace", l.ns},
                          {"service", l.service},
                          {"servicePort", l.service_port},
                          {"proxyFromClients", l.proxy_in},
                          {"proxyToPods", l.proxy_out},
                          {"configMap", l.object.ns.str() + "/" + l.object.name.str()},
                          {"endpoints", cluster ? cluster->endpoints.size() : 0},
                          {"usableEndpoints", cluster ? usable(*cluster) : 0}};
  if (cluster == nullptr || usable(*cluster) == 0) out["because"] = empty_text(cluster);
  return out;
}

std::vector<model::Entry> all_problems(const model::Model& model, const data::Compiler& compiler) {
  std::vector<model::Entry> all = model.report.entries;
  const auto& compiled = compiler.report().entries;
  all.insert(all.end(), compiled.begin(), compiled.end());
  return all;
}

std::vector<std::string> problems_of_flags(const std::vector<model::Entry>& entries) {
  std::vector<std::string> out;
  for (const model::Entry& e : entries)
    if (e.object.kind == "CommandLine" || e.problem.field.starts_with("--")) out.push_back(model::Report::line(e));
  return out;
}

}  // namespace sluice::app
