#include "app/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <set>
#include <tuple>

#include "app/describe.h"
#include "app/problems.h"
#include "app/terminal.h"
#include "base/strings.h"
#include "data/plan/destination.h"

namespace sluice::app {

namespace {

// One path of an Ingress. The compiled table may hold several routes for it (exact /foo and prefix /foo/).
struct Served {
  const model::Host* host;
  const model::Route* route;
};

std::string_view path_of(const model::Route& route) {
  return route.location.empty() ? route.path : route.location;
}
std::string_view type_of(const model::Route& route) {
  return route.path_type.empty() ? std::string_view("(implicit)") : std::string_view(route.path_type);
}

std::vector<Served> served(const model::Model& model) {
  std::vector<const model::Host*> hosts;
  for (const auto& [name, host] : model.hosts) hosts.push_back(host.get());
  std::sort(hosts.begin(), hosts.end(), [](auto* a, auto* b) {
    return std::tuple(a->name.empty(), std::string_view(a->name)) <
           std::tuple(b->name.empty(), std::string_view(b->name));
  });

  std::vector<Served> rows;
  for (const model::Host* host : hosts) {
    std::vector<const model::Route*> routes;
    for (const model::Route& route : host->routes) routes.push_back(&route);
    auto key = [](const model::Route* r) {
      return std::tuple(path_of(*r), type_of(*r), std::string_view(r->ns), std::string_view(r->ingress),
                        std::string_view(r->cluster), r->status);
    };
    std::sort(routes.begin(), routes.end(), [&](auto* a, auto* b) { return key(a) < key(b); });
    routes.erase(std::unique(routes.begin(), routes.end(), [&](auto* a, auto* b) { return key(a) == key(b); }),
                 routes.end());
    for (const model::Route* route : routes) rows.push_back({host, route});
  }
  return rows;
}

std::string endpoints_of(const model::Model& model, const model::Route& route) {
  if (route.cluster.empty() || !closed_because(route).empty() || (route.settings && route.settings->redirect))
    return "";
  return endpoints_text(find_cluster(model, route), data::no_endpoints_status(route));
}

bool closed(const Served& row) {
  return !closed_because(*row.route).empty();
}

// No Ingress that is served asks for it, and it answers 404.
bool nobodys(const Served& row) {
  const model::Route& r = *row.route;
  return r.ingress.empty() && r.cluster.empty() && !closed(row) && !model::is_slash_redirect(r.match) &&
         !(r.settings && (r.settings->redirect || r.settings->to_host));
}

// How much is served.
struct Counts {
  std::size_t hosts = 0, paths = 0, closed = 0;
};
Counts count(const std::vector<Served>& rows) {
  Counts out;
  std::set<const model::Host*> open;
  for (const Served& row : rows) {
    if (closed(row)) {
      ++out.closed;
    } else if (!nobodys(row)) {
      ++out.paths;
      open.insert(row.host);
    }
  }
  out.hosts = open.size();
  return out;
}

void print_served(const model::Model& model, const std::vector<Served>& rows, std::ostream& out) {
  std::size_t path_width = 0, type_width = 0, to_width = 0;
  for (const auto& [host, route] : rows) {
    path_width = std::min<std::size_t>(40, std::max(path_width, path_of(*route).size()));
    type_width = std::max(type_width, type_of(*route).size());
    to_width =
        std::min<std::size_t>(40, std::max(to_width, destination_text(*route, find_cluster(model, *route)).size()));
  }
  const model::Host* current = nullptr;
  for (const auto& [host, route] : rows) {
    if (host != current) {
      current = host;
      std::string line = "  " + host_text(host->name);
      if (host->tls) {
        std::string secrets;
        for (const model::HostSecrets& named : host->certificates)
          for (const std::string& name : named.secrets) add_element(secrets, name);
        line += "  TLS: " + (secrets.empty() ? "default certificate" : secrets);
      }
      std::string aliases;
      for (const model::Alias& alias : host->aliases) add_element(aliases, alias.name);
      if (!aliases.empty()) line += "  aliases: " + aliases;
      print_line(out, line);
    }
    std::string line =
        fmt::format("    {:<{}}  {:<{}}  -> {:<{}}  {}", path_of(*route), path_width, type_of(*route), type_width,
                    destination_text(*route, find_cluster(model, *route)), to_width, endpoints_of(model, *route));
    line.erase(line.find_last_not_of(' ') + 1);
    print_line(out, line + "  [" + ingress_text(*route) + "]");
    if (route->canary)
      print_line(out,
                 fmt::format("      canary -> {}  {}  [{}]", canary_text(*route),
                             canary_endpoints_text(find_canary_cluster(model, *route)), canary_ingress_text(*route)));
  }
}

void print_streams(const model::Model& model, std::ostream& out) {
  for (const model::StreamListener& l : *model.streams) {
    const model::Cluster* cluster = find_cluster(model, l);
    const bool none = cluster == nullptr || usable(*cluster) == 0;
    print_line(out, fmt::format("  {}  {}  [{}]", stream_text(l),
                                none ? "no endpoints: " + empty_text(cluster) : endpoints_text(cluster, 503),
                                l.object.text()));
  }
}

void print_problems(const std::vector<model::Entry>& problems, model::Severity severity, std::size_t count, bool all,
                    std::string_view title, std::ostream& out) {
  if (count == 0) return;
  out << '\n' << title << ": " << count << '\n';
  if (!all) {
    for (const auto& line : problem_lines(problems, severity)) print_line(out, "  " + line);
    return;
  }
  for (const model::Entry& e : problems)
    if (e.problem.severity == severity) print_line(out, "  " + model::Report::line(e));
}

// Charts and most repositories hold no EndpointSlices, no cluster addresses and no certificates, as a cluster and
// cert-manager make them: that a Service or a TLS section has none is no fault of theirs then, and `--strict` is about
// faults. An address that is written (None) is.
void expect_none_made_elsewhere(std::vector<model::Entry>& problems, const control::AsWritten& written) {
  for (model::Entry& e : problems) {
    const auto& p = e.problem;
    const bool slice = p.reason == "NoEndpoints" && !written.slices;
    const bool pair = p.reason == "MissingSecret" && p.field == "spec.tls.secretName" && !written.pairs;
    const bool address = p.reason == "NoEffect" && p.field == "spec.clusterIP" && p.value.empty() && !written.slices;
    if ((slice || pair || address) && p.severity == model::Severity::warning)
      e.problem.severity = model::Severity::ignored;
  }
}

boost::json::object to_json(const model::Model& model, const Served& row) {
  const model::Route& r = *row.route;
  boost::json::array aliases;
  for (const model::Alias& alias : row.host->aliases) aliases.emplace_back(alias.name);
  const model::Cluster* cluster = find_cluster(model, r);
  boost::json::object out{{"host", row.host->name},
                          {"aliases", std::move(aliases)},
                          {"tls", row.host->tls},
                          {"path", path_of(r)},
                          {"pathType", r.path_type},
                          {"namespace", r.ns},
                          {"ingress", r.ingress},
                          {"service", r.service},
                          {"serviceNamespace", service_namespace(r, cluster)},
                          {"servicePort", r.service_port},
                          {"cluster", r.upstream_name},
                          {"endpoints", cluster ? cluster->endpoints.size() : 0},
                          {"usableEndpoints", cluster ? usable(*cluster) : 0},
                          {"file", r.origin.file},
                          {"line", r.origin.line}};
  if (r.canary) {
    auto canary = app::to_json(*r.canary);
    const model::Cluster* of = find_canary_cluster(model, r);
    canary["endpoints"] = of ? of->endpoints.size() : 0;
    canary["usableEndpoints"] = of ? usable(*of) : 0;
    out["canary"] = std::move(canary);
  }
  if (closed(row)) {
    out["status"] = closed_status(r);
    out["because"] = closed_because(r);
  } else if (r.settings && r.settings->redirect) {
    out["redirect"] = r.settings->redirect->location.text();
    out["status"] = r.settings->redirect->status;
  } else if (r.settings && r.settings->to_host) {
    out["redirectsTo"] = r.settings->to_host->host;
    out["status"] = r.settings->ssl_redirect_status;
  } else if (r.cluster.empty()) {
    out["status"] = r.status != 0 ? r.status : 404;
    out["because"] = nowhere_because(r);
  } else if (cluster == nullptr || usable(*cluster) == 0) {
    out["status"] = data::no_endpoints_status(r);
    out["because"] = empty_text(cluster);
  }
  return out;
}

}  // namespace

int run_check(const control::Settings& settings, const CheckOptions& options, std::ostream& out) {
  const bool json = options.json;
  control::Update update;
  control::AsWritten written{{}, {}, true, true};
  data::Compiler compiler;
  try {
    if (settings.manifests.empty()) {
      update = control::read_cluster_once(settings, std::chrono::seconds(30));
    } else {
      written.slices = written.pairs = false;
      update = control::load_once(settings, &written);
    }
    compiler.compile(*update.model, update.change);
  } catch (const std::exception& e) {
    if (json)
      print_json(out, boost::json::object{{"error", e.what()}});
    else
      print_line(out, std::string("error: ") + e.what());
    return 2;
  }

  const model::Model& model = *update.model;
  const auto rows = served(model);
  auto problems = all_problems(model, compiler);
  expect_none_made_elsewhere(problems, written);
  const auto [errors, warnings, ignored] = count_problems(problems);
  const Counts counts = count(rows);
  const int exit_code = errors > 0 ? 2 : warnings > 0 && options.strict ? 1 : 0;

  if (json) {
    boost::json::array served_json, report, ports;
    for (const model::StreamListener& l : *model.streams) ports.push_back(app::to_json(l, find_cluster(model, l)));
    for (const Served& row : rows) served_json.push_back(to_json(model, row));
    for (const model::Entry& e : problems) report.push_back(to_json(e));
    boost::json::object summary{{"hosts", counts.hosts},   {"paths", counts.paths},
                                {"closed", counts.closed}, {"clusters", model.clusters.size()},
                                {"errors", errors},        {"warnings", warnings},
                                {"ignored", ignored},      {"exit", exit_code}};
    print_json(
        out, boost::json::object{{"served", served_json}, {"ports", ports}, {"report", report}, {"summary", summary}});
    return exit_code;
  }

  out << fmt::format(
      "served: {} hosts, {} paths, {} clusters{}\n", counts.hosts, counts.paths, model.clusters.size(),
      (model.streams->empty() ? "" : fmt::format(", {} ports", model.streams->size())) +
          (counts.closed == 0 ? "" : fmt::format("; closed by what guards them: {} paths", counts.closed)));
  print_served(model, rows, out);
  print_streams(model, out);
  print_problems(problems, model::Severity::error, errors, options.all, "refused", out);
  print_problems(problems, model::Severity::warning, warnings, options.all, "warnings", out);
  print_problems(problems, model::Severity::ignored, ignored, options.all, "ignored", out);
  out << '\n' << ProblemCounts{errors, warnings, ignored}.text() << '\n';
  return exit_code;
}

}  // namespace sluice::app
