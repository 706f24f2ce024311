#include <algorithm>

#include "control/kube/grammar.h"
#include "control/kube/host_builder.h"

namespace sluice::control {

namespace {

using model::PathMatch;
using model::Severity;

std::string path_field(std::size_t rule, std::size_t path) {
  return "spec.rules[" + std::to_string(rule) + "].http.paths[" + std::to_string(path) + "].path";
}

// The three that Kubernetes knows are everywhere.
Text path_type_text(const std::string& written) {
  static const Text known[] = {"Prefix", "Exact", "ImplementationSpecific"};
  for (const Text& t : known)
    if (t == written) return t;
  return written;
}

// Requests are compared after such parts are resolved.
bool is_unreachable(const std::string& path) {
  return path.find("//") != std::string::npos || (path + "/").find("/./") != std::string::npos ||
         (path + "/").find("/../") != std::string::npos;
}

RefPtr default_backend_flag() {
  static const RefPtr flag =
      std::make_shared<const model::ObjectRef>(model::ObjectRef{"CommandLine", "", "--default-backend", {}});
  return flag;
}

}  // namespace

// The / that a host has even if no Ingress names it.
void Store::State::HostBuilder::add_root() {
  locations_.push_back(name_.empty() ? catch_all_root() : implicit_root());
  known_[{"/", false}] = 0;
}

// It belongs to the oldest Ingress.
Location Store::State::HostBuilder::implicit_root() {
  const IngressState& oldest = *owners_.front();
  Location root;
  root.path = "/";
  root.implicit = true;
  root.owner = &oldest;
  if (oldest.ingress().default_backend) root.backend = &*oldest.ingress().default_backend;
  root.settings = settings_of(oldest);
  root.closed = closed_by(oldest);
  return root;
}

// An Ingress that has nothing but a defaultBackend claims it.
Location Store::State::HostBuilder::catch_all_root() {
  const IngressState* claims = nullptr;
  for (const IngressState* o : owners_) {
    if (!o->ingress().rules.empty() || !o->ingress().default_backend) continue;
    if (!claims)
      claims = o;
    else
      report(*o, {Severity::error, "PathConflict", "spec.defaultBackend", "", "one catch-all",
                  "not served: it belongs to Ingress " + key_of(claims->ingress().meta) + ", which is older"});
  }
  Location root;
  root.path = "/";
  root.settings = state_.defaults;
  if (!claims) {
    root.implicit = true;
    const auto with_default =
        std::find_if(owners_.begin(), owners_.end(), [](auto* o) { return o->ingress().default_backend.has_value(); });
    if (with_default == owners_.end()) return root;
    root.owner = *with_default;
    root.backend = &*root.owner->ingress().default_backend;
    return root;
  }
  root.owner = claims;
  root.backend = &*claims->ingress().default_backend;
  root.closed = closed_by(*claims);
  // Redirects do not reach the catch-all (as in ingress-nginx); all else does.
  model::RouteSettings copy = *settings_of(*claims);
  copy.redirect.reset();
  copy.ssl_redirect = state_.defaults->ssl_redirect && !root.closed;
  copy.force_ssl_redirect = state_.defaults->force_ssl_redirect && !root.closed;
  root.settings = state_.shared_settings.of(std::move(copy));
  return root;
}

void Store::State::HostBuilder::add_paths(const IngressState& owner) {
  const auto& rules = owner.ingress().rules;
  for (std::size_t r = 0; r < rules.size(); ++r) {
    if (lower(rules[r].host) != name_) continue;
    for (std::size_t p = 0; p < rules[r].paths.size(); ++p) add_path(owner, rules[r].paths[p], path_field(r, p));
  }
}

void Store::State::HostBuilder::add_path(const IngressState& owner, const IngressPath& written,
                                         const std::string& field) {
  Location l;
  l.path = written.path.empty() ? "/" : written.path;
  l.exact = written.type == "Exact";
  l.owner = &owner;
  l.backend = &written.backend;
  l.written_type = written.type;
  l.settings = settings_of(owner);
  l.closed = closed_by(owner);
  if (l.path[0] != '/' || has_control(l.path)) {
    report(owner, {Severity::error, "InvalidPath", field, shorten(l.path),
                   "a path that begins with / and has no control characters", "the path is not served"});
    return;
  }
  if (is_unreachable(l.path))
    report(owner, {Severity::warning, "UnreachablePath", field, shorten(l.path), "a path without //, /./ and /../",
                   "no request matches it, as requests are compared after such parts are resolved"});
  const auto [it, added] = known_.try_emplace({l.path, l.exact}, locations_.size());
  if (added) {
    locations_.push_back(std::move(l));
  } else if (Location& taken = locations_[it->second]; taken.implicit) {
    taken = std::move(l);
  } else {
    report_conflict(taken, l, field);
  }
}

void Store::State::HostBuilder::report_conflict(const Location& taken, const Location& refused,
                                                const std::string& field) {
  std::string consequence = "not served: ";
  if (taken.owner == refused.owner) {
    consequence += "an earlier path of this Ingress has it";
  } else {
    const bool default_backend = taken.written_type.empty() && taken.path == "/" && name_.empty();
    consequence += std::string("it belongs to ") + (default_backend ? "the defaultBackend of " : "") + "Ingress " +
                   key_of(taken.owner->ingress().meta) +
                   (older(taken.owner->ingress(), refused.owner->ingress()) ? ", which is older" : "");
  }
  report(*refused.owner, {Severity::error, "PathConflict", field, shorten(refused.path),
                          "a path and type of its own at " + (name_.empty() ? "the catch-all host" : "host " + name_),
                          std::move(consequence)});
}

// Each location becomes what the data plane matches.
void Store::State::HostBuilder::add_routes() {
  using enum PathMatch;
  for (Location& l : locations_) l.text = l.path;
  for (const Location& l : locations_)
    if (l.exact || l.path.back() == '/') add_route(l, l.exact ? exact : prefix, l.path);
  for (const Location& l : locations_) {
    if (l.exact || l.path.back() == '/') continue;
    add_route(l, prefix, l.path + "/");
    add_route(l, exact, l.path);  // unless an Exact path has it
  }
  for (const Location& l : locations_) {
    if (l.path.size() < 2 || l.path.back() != '/') continue;
    const auto bare = l.path.substr(0, l.path.size() - 1);
    if (!taken_.contains({exact, bare})) add_route(l, slash_redirect, bare);
  }
  host_->routes.shrink_to_fit();  // it stays for long
}

void Store::State::HostBuilder::add_route(const Location& location, PathMatch match, const std::string& path) {
  if (!taken_.emplace(match, path).second) return;
  model::Route route;
  route.match = match;
  route.settings = location.settings;
  route.location = location.text;
  route.path = path == location.path ? location.text : Text(path);
  route.path_type = path_type_text(location.written_type);
  if (location.owner) {
    const auto& ref = *location.owner->ref;
    route.ns = ref.ns;
    route.ingress = ref.name;
    route.origin = ref.origin;
  }
  const Backend* backend = location.backend;
  const std::string& fallback = state_.default_backend_service;
  if (location.closed) {
    route.status = 503;
    if (backend) {
      route.service = backend->service;
      route.service_port = backend->port;
    }
  } else if (backend && backend->resource) {
    route.status = 404;
    report(*location.owner,
           {Severity::warning, "UnsupportedBackend", "backend.resource", "", "a Service",
            "requests for " + (name_.empty() ? "any other host" : name_) + location.path + " answer 404"});
  } else if (backend) {
    lead_to(route, location, {route.ns.str(), backend->service, backend->port});
  } else if (!fallback.empty()) {
    const auto slash = fallback.find('/');
    lead_to(route, location, {fallback.substr(0, slash), fallback.substr(slash + 1), state_.default_backend_port});
  } else {
    route.status = 404;
  }
  host_->routes.push_back(std::move(route));
}

void Store::State::HostBuilder::lead_to(model::Route& route, const Location& location, const ClusterKey& key) {
  const ClusterTexts& texts = state_.cluster_texts(key);
  route.cluster = texts.name;
  route.service = texts.service;
  route.service_port = texts.port;
  out_.clusters.emplace(texts.name, location.owner ? location.owner->ref : default_backend_flag());
}

}  // namespace sluice::control
