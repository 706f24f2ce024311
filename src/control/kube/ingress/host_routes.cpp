#include <algorithm>

#include "control/kube/error_pages.h"
#include "control/kube/grammar.h"
#include "control/kube/ingress/host_builder.h"
#include "model/default_upstream.h"

namespace sluice::control {

namespace {

using model::PathMatch;
using model::Severity;

RefPtr default_backend_flag() {
  static const RefPtr flag =
      std::make_shared<const model::ObjectRef>(model::ObjectRef{"CommandLine", "", "--default-backend", {}});
  return flag;
}

}  // namespace

// All that a namespace asks for is there before the next one in the line has its turn.
void HostBuilder::add_routes() {
  for (Location& l : locations_)
    if (l.text.empty()) l.text = l.path;
  if (!std::ranges::is_sorted(locations_, {}, &Location::rank))
    std::ranges::stable_sort(locations_, {}, &Location::rank);
  host_->routes.reserve(2 * locations_.size());
  const std::span<Location> all = locations_;
  for (std::size_t from = 0, to = 0; from < all.size(); from = to) {
    while (to < all.size() && all[to].rank == all[from].rank) ++to;
    add_routes(all.subspan(from, to - from));
  }
  host_->routes.shrink_to_fit();  // it stays for long
}

// Each location becomes what the data plane matches.
void HostBuilder::add_routes(std::span<Location> of_one_rank) {
  using enum PathMatch;
  if (has_patterns()) {
    for (Location& l : of_one_rank) l.lost = of_another(l);
    for (const Location& l : of_one_rank) texts_.try_emplace(lower(l.path), &l);
    if (tenants_[of_one_rank.front().rank / 2].patterns) return add_patterns(of_one_rank);
  }
  for (const Location& l : of_one_rank) {
    if (l.lost || (!l.exact && l.path.back() != '/')) continue;
    if (const Location* holder = add_route(l, l.exact ? exact : prefix, l.path)) report_conflict(*holder, l);
  }
  for (const Location& l : of_one_rank) {
    if (l.lost || l.exact || l.path.back() == '/') continue;
    const Location* below = add_route(l, prefix, l.path + "/");
    const Location* itself = add_route(l, exact, l.path);  // unless an Exact path has it
    if (below && itself && below->rank != l.rank) {
      report_conflict(*below, l);
      continue;
    }
    for (const Location* part : {below, itself})
      if (part && part->rank != l.rank && !l.refused)
        report(*l.owner, {Severity::warning, "PathConflict", l.field.text(), shorten(l.path),
                          "a path and type of its own at " + shown_name(),
                          std::string(part == below ? "what is below it" : "the path itself") + " belongs to Ingress " +
                              key_of((part->refused ? part->refused : part->owner)->meta()) + ", the rest is served"});
  }
  for (const Location& l : of_one_rank) {
    if (l.lost || l.path.size() < 2 || l.path.back() != '/') continue;
    const auto bare = l.path.substr(0, l.path.size() - 1);
    if (bare.back() == '/') continue;  // of "//", which no request has; "/" is another's
    if (!taken_.contains({exact, bare})) add_route(l, slash_redirect, bare);
  }
}

// As ingress-nginx does, where any path of a host is one, each becomes a regular expression. An Exact path is one like
// the others; a Prefix that is no regular expression by its own Ingress is itself and what is below it.
void HostBuilder::add_patterns(std::span<const Location> of_one_rank) {
  std::set<std::string_view> exact_paths, written;
  for (const Location& l : of_one_rank) {
    written.insert(l.path);
    if (l.exact) exact_paths.insert(l.path);
  }
  for (const Location& l : of_one_rank) {
    if (l.lost) continue;
    const bool as_written = l.exact || l.path == "/" || l.use_regex || l.path.ends_with('/') ||
                            (l.settings->rewrite && l.settings->rewrite->target.text() != l.path);
    const bool below = !as_written && (exact_paths.contains(l.path) || l.settings->rewrite);
    if (below && !written.contains(l.path + "/")) add_route(l, PathMatch::pattern, l.path + "/");
    if (!as_written && exact_paths.contains(l.path)) continue;
    if (const Location* holder = add_route(l, PathMatch::pattern, l.path)) report_conflict(*holder, l);
  }
}

// A path that a namespace before has, whatever its case; where there are patterns. It is reported.
bool HostBuilder::of_another(const Location& location) {
  const auto at = texts_.find(lower(location.path));
  if (at == texts_.end() || at->second->rank / 2 == location.rank / 2 || at->second->free()) return false;
  report_conflict(*at->second, location);
  return true;
}

// Who has what the route would take: the same match of the same path. Another namespace has more: what answers the
// very path now, be it as the beginning of longer ones or with a redirect, goes on to do so.
const Location* HostBuilder::holder_of(const Location& asks, PathMatch match, const std::string& path) const {
  const auto holder = [&](PathMatch of) {
    const auto at = taken_.find({of, path});
    return at == taken_.end() ? nullptr : at->second;
  };
  if (const Location* same = holder(match)) return same;
  if (match != PathMatch::exact) return nullptr;
  for (const PathMatch other : {PathMatch::prefix, PathMatch::slash_redirect})
    if (const Location* before = holder(other); before && before->rank != asks.rank && !before->free()) return before;
  return nullptr;
}

// The route, unless it is somebody's already: then that location is returned.
const Location* HostBuilder::add_route(const Location& location, PathMatch match, const std::string& path) {
  if (const Location* holder = holder_of(location, match, path)) return holder;
  taken_.emplace(std::pair(match, path), &location);
  model::Route route;
  route.match = match;
  route.rank = static_cast<std::uint32_t>(location.rank);
  route.free = location.free();
  route.settings = location.settings;
  if (const auto& to = route.settings->rewrite; to && (match != PathMatch::pattern || to->target.text() == path)) {
    model::RouteSettings plain = *route.settings;
    plain.rewrite.reset();
    route.settings = state_.core_.shared_settings.of(std::move(plain));
  }
  route.tls = location.tls;
  route.location = location.text;
  route.path = location.text == path ? location.text : Text(path);
  route.path_type = location.written_type;
  if (location.owner) {
    const auto& ref = *location.owner->ref;
    route.ns = ref.ns;
    route.ingress = ref.name;
    route.origin = ref.origin;
  }
  const Backend* backend = location.backend;
  const std::string& fallback = state_.default_backend_service_;
  if (!location.closed.empty()) {
    route.status = 503;
    route.because = location.closed;
    if (backend) {
      route.service = backend->service;
      route.service_port = backend->port;
    }
  } else if (backend && backend->resource) {
    route.status = 404;
    if (!location.refused)
      report(*location.owner,
             {Severity::warning, "UnsupportedBackend", "backend.resource", "", "a Service",
              "requests for " + (name_.empty() ? "any other host" : name_) + location.path + " answer 404"});
  } else if (backend) {
    lead_to(route, location, {route.ns.str(), backend->service.str(), backend->port.str()});
    lead_to_canary(route, location);
  } else if (!fallback.empty()) {
    const auto slash = fallback.find('/');
    lead_to(route, location, {fallback.substr(0, slash), fallback.substr(slash + 1), state_.default_backend_port_});
    static const Text kUpstream{std::string(model::kDefaultUpstream)};
    if (!route.cluster.empty()) route.upstream_name = kUpstream;
  } else {
    route.status = 404;
  }
  if (const auto& auth = route.settings->external_auth; auth && !route.cluster.empty())
    also_lead_to(route, location, model::Role::authentication, {"", auth->host, std::to_string(auth->port)},
                 Use::authentication);
  if (const auto& mirror = route.settings->mirror; mirror && !route.cluster.empty())
    also_lead_to(route, location, model::Role::mirror, {"", mirror->host, std::to_string(mirror->port)}, Use::mirror);
  if (!route.cluster.empty()) lead_to_error_pages(route, location);
  host_->routes.push_back(std::move(route));
  return nullptr;
}

// The Service that answers in place of errors.
void HostBuilder::lead_to_error_pages(model::Route& route, const Location& location) {
  const auto& pages = route.settings->error_pages;
  if (!pages) return;
  if (!pages->service.empty())
    return also_lead_to(route, location, model::Role::errors, {route.ns.str(), pages->service, ""}, Use::errors);
  if (const std::string& all = state_.default_backend_service_; !all.empty()) {
    const auto slash = all.find('/');
    return also_lead_to(route, location, model::Role::errors,
                        {all.substr(0, slash), all.substr(slash + 1), state_.default_backend_port_}, Use::errors);
  }
  if (location.owner && without_pages_.insert(location.owner).second && !state_.options_.defaults()->error_pages)
    report(*location.owner,
           {Severity::warning, "NoEffect", "metadata.annotations[custom-http-errors]", statuses_text(pages->statuses),
            "default-backend beside it, or --default-backend-service", "errors are answered as they are"});
}

void HostBuilder::lead_to(model::Route& route, const Location& location, const ClusterKey& key) {
  if (candidate_) return;
  const ClusterTexts& texts = state_.clusters_.texts(key);
  route.cluster = texts.name;
  route.upstream_name = texts.upstream_name;
  route.service = texts.service;
  route.service_port = texts.port;
  ClusterUser& user = out_.clusters[texts.name.str()];
  const auto& pages = route.settings->error_pages;
  const bool replaced = pages && !pages->service.empty();
  const bool unclaimed = location.backend == nullptr;
  if (!user.ref) {
    user.ref = location.owner ? location.owner->ref : default_backend_flag();
    user.use = unclaimed ? Use::unclaimed : replaced ? Use::replaced : Use::requests;
  } else if (location.owner &&
             (user.use == Use::errors || user.use == Use::unclaimed || (user.use == Use::replaced && !replaced))) {
    user.use = replaced ? Use::replaced : Use::requests;
  }
  // Where its own paths lead; what nobody names goes to --default-backend by nobody's wish.
  if (location.owner && location.backend) user.add(location.owner->wish, *route.settings);
}

void HostBuilder::also_lead_to(model::Route& route, const Location& location, model::Role role, const ClusterKey& key,
                               Use use) {
  if (candidate_) return;
  const Text& name = state_.clusters_.texts(key).name;
  auto further = route.further ? *route.further : std::vector<model::FurtherCluster>();
  further.push_back({role, name});
  route.further = std::move(further);
  const RefPtr& user = location.owner ? location.owner->ref : default_backend_flag();
  const auto at = out_.clusters.try_emplace(name.str(), ClusterUser{user, {}, use}).first;
  // Of an Ingress that both asks a host and sends it copies.
  if (use == Use::mirror && at->second.ref == user) at->second.use = use;
}

}  // namespace sluice::control
