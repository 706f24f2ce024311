#include <algorithm>

#include "base/strings.h"
#include "control/kube/grammar.h"
#include "control/kube/ingress/host_builder.h"

// What snippets say of a host: server-snippet, for all routes of its namespace there, and the locations that snippets
// write. docs/snippets.md.
namespace sluice::control {

using model::Severity;

// As in ingress-nginx one counts at a host: that of the oldest Ingress that has one; but for its own namespace alone.
void HostBuilder::choose_server_snippet(Tenant& tenant) {
  for (const IngressState* o : tenant.ingresses) {
    if (o->server_snippet() == nullptr) continue;
    if (tenant.server_snippet == nullptr) {
      tenant.server_snippet = o;
      continue;
    }
    if (o->server_snippet()->written != tenant.server_snippet->server_snippet()->written)
      report(*o, {Severity::warning, "NoEffect", "metadata.annotations[server-snippet]",
                  shorten(o->server_snippet()->written),
                  "the annotation on Ingress " + key_of(tenant.server_snippet->meta()) + ", which is older",
                  "it has no effect at " + shown_name()});
  }
}

// The settings of its paths with what the server-snippet of its namespace adds.
void HostBuilder::add_server_snippet(const Tenant& tenant, const IngressState& ingress,
                                     model::RouteSettings& settings) {
  if (tenant.server_snippet == nullptr) return;
  const snippet::Block& server = *tenant.server_snippet->server_snippet();
  for (const auto& change : server.far_changes) change(settings);
  const bool own_lists = settings.source_ranges && !settings.source_ranges->blocked;
  settings.snippet = snippet::settle(&server, ingress.configuration_snippet(), own_lists);
  if (server.satisfy_any && !ingress.says_satisfy) settings.satisfy_any = *server.satisfy_any;
}

// What a list that cannot be kept was to protect stays closed.
void HostBuilder::refuse_list(const Tenant& tenant, const IngressState& ingress) {
  if (!not_kept_.try_emplace(&ingress, "satisfy any cannot be kept with the list of addresses of a snippet").second)
    return;
  const bool own = tenant.server_snippet != nullptr;
  report(own ? *tenant.server_snippet : ingress,
         {Severity::error, "RefusedSnippet",
          own ? "metadata.annotations[server-snippet]" : "metadata.annotations[satisfy]", "satisfy any",
          std::string(own ? "" : "of the snippets of the ConfigMap ") +
              "addresses that are denied, then those that are allowed, then `deny all`",
          "paths of " + ingress.ref->text() + " at " + shown_name() + " answer 503"});
}

// As nginx takes no configuration whose error_page leads nowhere.
void HostBuilder::refuse_pages(const Tenant& tenant, const IngressState& ingress) {
  const auto* const own = ingress.configuration_snippet();
  if (own == nullptr) return;
  const auto refused = snippet::leads_nowhere(
      *own, tenant.server_snippet != nullptr ? tenant.server_snippet->server_snippet() : nullptr);
  if (!refused || !not_kept_.try_emplace(&ingress, "an error_page of its snippet leads nowhere").second) return;
  report(ingress, {Severity::error, "RefusedSnippet", "metadata.annotations[configuration-snippet]", refused->text(),
                   refused->expected, "paths of " + ingress.ref->text() + " at " + shown_name() + " answer 503"});
}

// Each configuration-snippet, and of each namespace the server-snippet that counts: visit(place of the namespace, whose
// it is, its field, what it says).
template <class Visit>
void HostBuilder::visit_snippets(Visit&& visit) const {
  for (std::size_t place = 0; place < tenants_.size(); ++place) {
    for (const IngressState* o : tenants_[place].ingresses)
      if (const auto* own = o->configuration_snippet())
        visit(place, *o, "metadata.annotations[configuration-snippet]", *own);
    if (const IngressState* o = tenants_[place].server_snippet)
      visit(place, *o, "metadata.annotations[server-snippet]", *o->server_snippet());
  }
}

// An error_page that asks for a path which the namespace does not have at the host.
void HostBuilder::report_pages_without_path() {
  visit_snippets([&](std::size_t place, const IngressState& at, const char* field, const snippet::Block& block) {
    const IngressState* const server = tenants_[place].server_snippet;
    for (const auto* page : snippet::asked_paths(block, server != nullptr ? server->server_snippet() : nullptr))
      if (!has_path(place, page->location, false))
        report(at,
               {Severity::warning, "NobodyToAsk", field,
                snippet::Refusal{page->at, "error_page " + page->location, ""}.text(),
                "a location or a path of namespace " + tenants_[place].ns + " at " + shown_name() + " that takes it",
                "errors are answered as without it"});
  });
}

// Nothing but error_page leads to a named location.
void HostBuilder::report_locations_without_use() {
  for (const Tenant& tenant : tenants_) {
    if (tenant.server_snippet == nullptr) continue;
    std::vector<const snippet::Block*> others;
    for (const IngressState* o : tenant.ingresses)
      if (const auto* own = o->configuration_snippet()) others.push_back(own);
    for (const auto* location : snippet::without_use(*tenant.server_snippet->server_snippet(), others))
      report(*tenant.server_snippet,
             {Severity::ignored, "NoEffect", "metadata.annotations[server-snippet]",
              snippet::Refusal{location->at, "location " + location->path, ""}.text(),
              "an error_page of namespace " + tenant.ns + " at " + shown_name() + " that leads there",
              "it has no effect"});
  }
}

// Behind all others: each takes requests that another route of its namespace would have, in the order of nginx.
void HostBuilder::add_snippet_locations() {
  for (std::size_t place = 0; place < tenants_.size(); ++place) {
    const Tenant& tenant = tenants_[place];
    for (const IngressState* o : tenant.ingresses)
      if (const auto* own = o->configuration_snippet())
        for (const auto& location : own->locations) add_snippet_location(place, *o, own, location);
    if (tenant.server_snippet == nullptr) continue;
    for (const auto& location : tenant.server_snippet->server_snippet()->locations)
      add_snippet_location(place, *tenant.server_snippet, nullptr, location);
  }
}

namespace {

// Does ingress-nginx write that very location for the path? An Exact path is `=`. A Prefix is one without a modifier,
// with a slash at its end, and but for / a `=` of what is written.
bool has_location(const Location& path, model::PathMatch match, std::string_view of) {
  if (match == model::PathMatch::snippet_exact) return path.path == of && (path.exact || path.path != "/");
  if (match != model::PathMatch::snippet_prefix && match != model::PathMatch::snippet_first) return false;
  return !path.exact && (path.path.ends_with('/') ? path.path == of : path.path + "/" == of);
}

}  // namespace

// The Ingress of the namespace that has a path for which ingress-nginx writes the same location, so that nginx takes
// none of its configuration; empty: none has. Regular expressions may be written twice.
std::string HostBuilder::twin_of(const snippet::Location& location, std::size_t place) const {
  if (tenants_[place].patterns != nullptr) return {};
  for (const Location& l : locations_)
    if (!l.implicit && l.owner != nullptr && l.rank == 2 * place && has_location(l, location.match, location.path))
      return "Ingress " + key_of(l.owner->meta());
  return {};
}

void HostBuilder::add_snippet_location(std::size_t place, const IngressState& ingress, const snippet::Block* around,
                                       const snippet::Location& location) {
  const Tenant& tenant = tenants_[place];
  const auto global = snippet::of_option(state_.core_.model->options->server_snippet, snippet::Context::server,
                                         state_.core_.model->options->http_snippet);
  const snippet::Block* const server =
      tenant.server_snippet != nullptr ? tenant.server_snippet->server_snippet() : global.get();
  // Of the paths of its Ingress the one that most guard: what closes those closes this.
  // What a server-snippet writes counts, too, where another Ingress has all paths of its own.
  const Location* like = nullptr;
  for (const Location& l : locations_) {
    if (l.refused || l.rank != 2 * place || l.owner == nullptr) continue;
    if (l.owner != &ingress && (around != nullptr || (like != nullptr && like->owner == &ingress))) continue;
    const auto guards = [](const Location& of) {
      return (of.closed.empty() ? 0 : 4) + (of.settings->external_auth ? 2 : 0) + (of.settings->basic_auth ? 1 : 0);
    };
    const bool first_own = like != nullptr && like->owner != &ingress && l.owner == &ingress;
    if (like == nullptr || first_own || guards(l) > guards(*like)) like = &l;
  }
  if (like == nullptr) return;  // there is nothing here that could be taken
  const snippet::Block& block = *location.block;

  model::RouteSettings settings = around != nullptr ? *like->settings : *state_.options_.defaults();
  settings.client_auth = like->settings->client_auth;  // a handshake is for all of the host
  settings.ambiguous_paths = tenant.ambiguous_paths;
  settings.redirect.reset();
  settings.rewrite.reset();
  settings.app_root.reset();
  settings.mirror.reset();
  settings.balancing.reset();
  if (around == nullptr) {
    settings.error_pages.reset();
    settings.ssl_redirect = settings.force_ssl_redirect = false;
    if (server != nullptr)
      for (const auto& change : server->changes) change(settings);
  }
  for (const auto& change : block.changes) change(settings);
  if (block.satisfy_any)
    settings.satisfy_any = *block.satisfy_any;
  else if (around == nullptr && server != nullptr && server->satisfy_any)
    settings.satisfy_any = *server->satisfy_any;
  // In nginx global-auth-url is a matter of Ingresses' paths: a server that asks by itself does so here.
  if (around == nullptr && server != nullptr && server->asks && !server->asks->empty() && !block.asks)
    settings.external_auth.reset();
  if (settings.external_auth && !block.auth.empty()) {
    model::ExternalAuth with = *settings.external_auth;
    with.variables = block.auth;
    settings.external_auth = std::move(with);
  }
  settings.protocol = model::BackendProtocol::http;
  if (block.pass) {
    settings.protocol = block.pass->tls ? model::BackendProtocol::https : model::BackendProtocol::http;
    settings.upstream_host.reset();
    const bool own_host =
        around != nullptr || std::ranges::any_of(block.request, [](auto& line) { return iequals(line.name, "host"); });
    if (!own_host && !block.pass->host_header.empty())
      settings.upstream_host = model::UpstreamHost{Template(block.pass->host_header)};
  }
  // The service that a global-auth-url asks may be this very host, as choose_auth() has it.
  Text closed = like->closed;
  if (const auto& auth = settings.external_auth; auth && auth->host.empty()) {
    if (name_.empty() || name_.starts_with("*.")) {
      if (closed.empty())
        closed = "global-auth-url names the host of the request, and " + shown_name() + " has more than one name";
    } else {
      model::ExternalAuth here = *auth;
      here.host = name_;
      settings.external_auth = std::move(here);
    }
  }
  if (const std::string twin = twin_of(location, place); around == nullptr && !twin.empty() && closed.empty()) {
    report(ingress, {Severity::error, "RefusedSnippet", "metadata.annotations[server-snippet]",
                     std::string(to_string(location.match)) + " " + shorten(location.path),
                     "a location that no path of the namespace's Ingresses is, as nginx takes "
                     "no configuration with two of one path",
                     "it answers 503, as it would be served without what protects " + twin});
    closed = "a snippet and " + twin + " have one path";
  }
  settings.snippet = snippet::settle_location(server, around, location);
  // Inside of a location that has a list of its own, it is that one which is inherited.
  if (around != nullptr && block.access.empty() && settings.source_ranges && !settings.source_ranges->blocked) {
    model::Snippet rest = *settings.snippet;
    rest.access.clear();
    settings.snippet = std::move(rest);
  }
  if (!snippet::move_list(settings)) {
    refuse_list(tenant, ingress);
    if (closed.empty()) closed = "the list of a snippet cannot be kept under satisfy any";
  }

  model::Route route;
  route.match = location.match;
  route.path = route.location = Text(location.path);
  route.path_type = Text(std::string(to_string(location.match)));
  route.rank = static_cast<std::uint32_t>(2 * place);
  route.nested = around != nullptr;
  route.tls = tenant.tls;
  const auto& ref = *ingress.ref;
  route.ns = ref.ns;
  route.ingress = ref.name;
  route.origin = ref.origin;
  if (!closed.empty()) {
    route.status = 503;
    route.because = closed;
    settings.snippet.reset();
  }
  route.settings = state_.core_.shared_settings.of(std::move(settings));
  // As nginx has it wherever there is a proxy_pass.
  if (closed.empty() && block.pass && !block.internal && location.path.size() > 1 && location.path.ends_with('/') &&
      !model::is_snippet_pattern(location.match)) {
    model::Route slash = route;
    slash.match = model::PathMatch::snippet_slash;
    slash.path = slash.location = Text(location.path.substr(0, location.path.size() - 1));
    slash.path_type = Text(std::string(to_string(slash.match)));
    host_->routes.push_back(std::move(slash));
  }
  if (closed.empty() && block.pass)
    lead_snippet_to(route, ingress, *block.pass);
  else if (closed.empty())
    route.status = 404;
  if (!route.cluster.empty()) lead_to_error_pages(route, *like);
  host_->routes.push_back(std::move(route));
}

// May any route of the namespace take such a request?
bool HostBuilder::has_path(std::size_t place, std::string_view path, bool implicit) const {
  using enum model::PathMatch;
  return std::ranges::any_of(host_->routes, [&](const model::Route& route) {
    if (route.rank != 2 * place || (!implicit && route.path_type.empty())) return false;
    if (route.status == 404 && !model::of_snippet(route.match)) return false;
    switch (route.match) {
      case pattern:
      case snippet_pattern:
      case snippet_pattern_any_case:
        return true;  // nobody knows without asking it
      case exact:
      case snippet_exact:
        return route.path.view() == path;
      case slash_redirect:
      case snippet_slash:
        return false;
      default:
        return path.starts_with(route.path.view());
    }
  });
}

// An auth_request that leads to no path of its namespace closes what it guards, and somebody has to be told.
void HostBuilder::report_nobody_to_ask() {
  visit_snippets([&](std::size_t place, const IngressState& at, const char* field, const snippet::Block& block) {
    std::set<std::string> asked;
    const auto add = [&](const snippet::Block& of) {
      if (of.asks && !of.asks->empty()) asked.insert(*of.asks);
    };
    add(block);
    for (const auto& location : block.locations) add(*location.block);
    for (const std::string& path : asked)
      if (!has_path(place, path))
        report(at,
               {Severity::error, "NobodyToAsk", field, "auth_request " + shorten(path),
                "a location or a path of namespace " + tenants_[place].ns + " at " + shown_name() + " that takes it",
                "requests that it guards answer 500"});
  });
}

void HostBuilder::lead_snippet_to(model::Route& route, const IngressState& ingress, const snippet::Pass& pass) {
  if (candidate_) return;
  const auto lead = [&](const ClusterKey& key, Use use) -> const ClusterTexts& {
    const ClusterTexts& texts = state_.clusters_.texts(key);
    out_.clusters.try_emplace(texts.name.str(), ClusterUser{ingress.ref, {}, use});
    return texts;
  };
  const ClusterTexts& texts = lead({pass.service ? route.ns.str() : std::string(), pass.host, pass.port},
                                   pass.service ? Use::requests : Use::pass);
  route.cluster = texts.name;
  route.upstream_name = texts.upstream_name;
  route.service = texts.service;
  route.service_port = texts.port;
  if (const auto& auth = route.settings->external_auth) {
    const ClusterTexts& asked = lead({"", auth->host, std::to_string(auth->port)}, Use::authentication);
    route.further = std::vector<model::FurtherCluster>{{model::Role::authentication, asked.name}};
  }
}

}  // namespace sluice::control
