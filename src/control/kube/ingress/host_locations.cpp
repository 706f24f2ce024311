#include <algorithm>
#include <cctype>

#include "base/regex.h"
#include "control/kube/grammar.h"
#include "control/kube/ingress/by_host.h"
#include "control/kube/ingress/host_builder.h"

namespace sluice::control {

namespace {

using model::Severity;

// An Ingress that has nothing but a defaultBackend asks for all that no other rule takes.
bool is_catch_all(const Ingress& ingress) {
  return ingress.rules.empty() && ingress.default_backend;
}

bool has_escape(const std::string& path) {
  const auto hex = [](char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; };
  for (std::size_t at = 0; (at = path.find('%', at)) != std::string::npos; ++at)
    if (at + 2 < path.size() && hex(path[at + 1]) && hex(path[at + 2])) return true;
  return false;
}

// Why no request that is meant has the path, and what it should be like; empty: some may have it.
struct Unreachable {
  const char *expected = "", *because = "";
};
Unreachable unreachable(const std::string& path) {
  // As if a slash stood behind it.
  const auto has = [&](std::string_view part) {
    return path.find(part) != std::string::npos || path.ends_with(part.substr(0, part.size() - 1));
  };
  if (path.find("//") != std::string::npos || has("/./") || has("/../"))
    return {"a path without //, /./ and /../",
            "no request matches it, as requests are compared after such parts are resolved"};
  if (path.find_first_of("?#") != std::string::npos)
    return {"a path without ? and #", "only requests that write them as %3F and %23 match it, as they end a path"};
  if (has_escape(path))
    return {"a path without escapes",
            "only requests that write % as %25 match it, as requests are compared after their escapes are decoded"};
  return {};
}

// It has what is written in regular expressions, and what no URL that is meant has.
bool looks_like_pattern(const std::string& path) {
  const auto bracket = path.find('[');
  return path.find(".*") != std::string::npos || path.find("(/|$)") != std::string::npos ||
         (bracket != std::string::npos && path.find(']', bracket) != std::string::npos);
}

// What all that the regular expression matches begins with, as one that matches nothing else.
std::string sure_beginning(const std::string& pattern) {
  auto size = std::min(pattern.find_first_of("\\^$.[|()?*+{"), pattern.size());
  if (size < pattern.size() && std::string_view("?*+{").find(pattern[size]) != std::string_view::npos) --size;
  return may_alternate(pattern) || size == 0 ? "/" : pattern.substr(0, size);
}

}  // namespace

// The / that a host has even if no Ingress names it.
void HostBuilder::add_root() {
  locations_.reserve(4);  // as most hosts have no more
  locations_.push_back(name_.empty() ? catch_all_root() : implicit_root());
  known_[{"/", false}] = 0;
}

// It belongs to the oldest Ingress of the owner.
Location HostBuilder::implicit_root() {
  Location root;
  root.path = "/";
  root.implicit = true;
  root.tls = owner().tls;
  root.settings = state_.options_.defaults();
  if (!owner().ingresses.empty()) {
    const IngressState& oldest = *owner().ingresses.front();
    root.owner = &oldest;
    if (oldest.ingress().default_backend) root.backend = &*oldest.ingress().default_backend;
    root.settings = settings_of(owner(), oldest);
    root.use_regex = oldest.use_regex;
    root.kept = std::any_of(owner().ingresses.begin(), owner().ingresses.end(),
                            [&](auto* o) { return o->closing || without_secret_.contains(o); });
    // What a snippet answers there is an answer of the owner's.
    root.kept = root.kept || owner().server_snippet != nullptr || oldest.configuration_snippet() != nullptr;
  }
  // Where a defaultBackend that is refused would be the answer, nobody else is.
  if (root.free() && !owner().refused.empty() && owner().refused.front()->written().default_backend)
    root.refused = owner().refused.front();
  return root;
}

// A defaultBackend of the owner, if it has one.
Location HostBuilder::catch_all_root() {
  Location root;
  root.path = "/";
  root.implicit = true;
  root.settings = state_.options_.defaults();
  if (tenants_.empty()) return root;
  const auto& owners = owner().ingresses;
  if (std::any_of(owners.begin(), owners.end(), [](auto* o) { return is_catch_all(o->ingress()); })) return root;
  const auto with_default = std::find_if(owners.begin(), owners.end(),
                                         [](auto* o) { return static_cast<bool>(o->ingress().default_backend); });
  if (with_default == owners.end()) return root;
  root.owner = *with_default;
  root.backend = &*root.owner->ingress().default_backend;
  model::RouteSettings copy = *state_.options_.defaults();
  copy.ambiguous_paths = owner().ambiguous_paths;
  if (const auto& own = *root.owner->settings; own.basic_auth) {
    copy.basic_auth = own.basic_auth;
    copy.satisfy_any = own.satisfy_any;
    copy.source_ranges = own.source_ranges;
  }
  copy.external_auth = root.owner->settings->external_auth;
  // The list of a server counts where the location has none.
  if (copy.snippet && copy.source_ranges && !copy.source_ranges->blocked) {
    model::Snippet rest = *copy.snippet;
    rest.access.clear();
    copy.snippet = std::move(rest);
  }
  if (!snippet::move_list(copy)) refuse_list(owner(), *root.owner);
  root.settings = state_.core_.shared_settings.of(std::move(copy));
  return root;
}

void HostBuilder::add_paths(std::size_t place) {
  const Tenant& tenant = tenants_[place];
  // A defaultBackend alone comes before any path / of the namespace, as in ingress-nginx.
  if (name_.empty())
    for (const IngressState* o : tenant.ingresses)
      if (is_catch_all(o->ingress())) add_catch_all(place, *o);
  for (const IngressState* o : tenant.ingresses) {
    const auto& rules = o->ingress().rules;
    for (const std::uint32_t r : rules_of(*o, name_)) {
      for (std::uint32_t p = 0; p < rules[r].paths.size(); ++p) {
        const IngressPath& written = rules[r].paths[p];
        Location l;
        l.path = written.path.empty() ? "/" : written.path.str();
        l.exact = written.type == "Exact";
        l.rank = 2 * place;
        l.owner = o;
        l.backend = &written.backend;
        l.field = {r, p};
        l.written_type = written.type;
        l.settings = settings_of(tenant, *o);
        l.use_regex = o->use_regex;
        l.tls = tenant.tls;
        add_path(std::move(l));
      }
    }
  }
}

// Among regular expressions the / of the host is asked before the owner's / as Exact: what this asked for must not go
// to whoever would take the place of the former.
void HostBuilder::keep_root() {
  locations_.front().kept |= known_.contains({"/", true}) && std::ranges::any_of(locations_, &Location::makes_patterns);
}

void HostBuilder::add_catch_all(std::size_t place, const IngressState& ingress) {
  const Tenant& tenant = tenants_[place];
  Location l;
  l.path = "/";
  l.rank = 2 * place;
  l.owner = &ingress;
  l.backend = &*ingress.ingress().default_backend;
  // Redirects and rewrites do not reach the catch-all (as in ingress-nginx); all else does.
  model::RouteSettings copy = *settings_of(tenant, ingress);
  copy.redirect.reset();
  copy.rewrite.reset();
  copy.app_root.reset();
  copy.ssl_redirect = state_.options_.defaults()->ssl_redirect;
  copy.force_ssl_redirect = state_.options_.defaults()->force_ssl_redirect;
  l.settings = state_.core_.shared_settings.of(std::move(copy));
  add_path(std::move(l));
}

// Once it is known whose paths are regular expressions, in which these characters mean something else unless all of the
// path is as it is written.
void HostBuilder::report_unreachable() {
  for (const auto& [owner, rank, field, path] : unreachable_) {
    const bool patterns = tenants_[rank / 2].patterns != nullptr;
    if (patterns && !literal_beginning(path).whole) continue;
    auto [expected, because] = unreachable(path);
    if (!patterns && looks_like_pattern(path)) {
      expected = "a path without .*, (/|$) and [ ], or use-regex; did you mean that?";
      because = "no request that is meant matches it, as it is compared as it is written";
    }
    if (!*expected) continue;
    report(*owner, {Severity::warning, "UnreachablePath", field.text(), shorten(path), expected, because});
  }
}

// A (path, type) belongs to the first in the line that names it, inside a namespace to its oldest Ingress.
void HostBuilder::add_path(Location l) {
  if (l.path[0] != '/' || has_control(l.path)) {
    report(*l.owner, {Severity::error, "InvalidPath", l.field.text(), shorten(l.path),
                      "a path that begins with / and has no control characters", "the path is not served"});
    return;
  }
  if (*unreachable(l.path).expected || looks_like_pattern(l.path))
    unreachable_.push_back({l.owner, l.rank, l.field, l.path});
  const auto [at, added] = known_.try_emplace({l.path, l.exact}, locations_.size());
  if (added) {
    locations_.push_back(std::move(l));
    return;
  }
  Location& holder = locations_[at->second];
  if (holder.implicit && (holder.rank == l.rank || holder.free()))
    holder = std::move(l);
  else
    report_conflict(holder, l);
}

// What a namespace asks for by an Ingress that is refused is answered as if it had not asked, as in ingress-nginx; but
// not by a path of a namespace behind it, which would be next to take the requests.
void HostBuilder::withhold_paths(std::size_t place) {
  for (const IngressState* o : tenants_[place].refused) {
    const Ingress& ingress = o->written();
    if (name_.empty() && is_catch_all(ingress)) withhold(place, *o, "/", false);
    for (const std::size_t r : rules_of(*o, name_))
      for (const IngressPath& path : ingress.rules[r].paths) withhold(place, *o, path.path.str(), path.type == "Exact");
  }
}

void HostBuilder::withhold(std::size_t place, const IngressState& refused, const std::string& written, bool exact) {
  std::string path = written.empty() ? "/" : written;
  if (path[0] != '/' || has_control(path)) return;
  if (refused.use_regex || refused.rewrites) path = sure_beginning(path);
  Location l = answers(path);
  if (l.text.empty()) l.text = l.path;
  l.path = path;
  l.exact = exact;
  l.implicit = false;
  l.rank = 2 * place + 1;
  l.refused = &refused;
  l.use_regex = false;
  const auto [at, added] = known_.try_emplace({l.path, l.exact}, locations_.size());
  if (added)
    locations_.push_back(std::move(l));
  else if (Location& holder = locations_[at->second]; holder.free())
    holder = std::move(l);
}

// Where requests for what lies below the path go so far: to the longest location that it begins with.
const Location& HostBuilder::answers(const std::string& path) const {
  for (std::size_t size = path.size(); size > 0; --size) {
    if (size < path.size() && path[size] != '/' && path[size - 1] != '/') continue;
    if (const auto at = known_.find({path.substr(0, size), false}); at != known_.end()) return locations_[at->second];
  }
  return locations_.front();
}

void HostBuilder::report_conflict(const Location& holder, const Location& loser) {
  if (loser.refused) return;
  const bool default_backend = loser.field.default_backend();
  // Of the / of the catch-all, where no Ingress answers it, the one that has it kept.
  const IngressState& has_it = holder.refused ? *holder.refused
                               : holder.owner ? *holder.owner
                                              : *locations_[known_.at({"/", true})].owner;
  if (candidate_)
    out_.conflicts.push_back({key_of(has_it.meta()), key_of(loser.owner->meta()), loser.path, loser.exact});
  std::string consequence = "not served: ";
  if (holder.implicit && !holder.refused && loser.exact && holder.rank == loser.rank) {
    consequence += "the / that every host has is asked first, as the paths here are regular expressions";
  } else if (&has_it == loser.owner) {
    consequence += "an earlier path of this Ingress has it";
  } else {
    const bool by_default_backend = holder.field.default_backend() && holder.backend;
    consequence += std::string("it belongs to ") +
                   (by_default_backend && !default_backend ? "the defaultBackend of " : "") + "Ingress " +
                   key_of(has_it.meta());
    if (older(has_it.meta(), loser.owner->meta()))
      consequence += ", which is older";
    else if (holder.rank != loser.rank)
      consequence += ", whose namespace named the host first";
  }
  report(*loser.owner,
         {Severity::error, "PathConflict", loser.field.text(), default_backend ? "" : shorten(loser.path),
          default_backend ? "one catch-all" : "a path and type of its own at " + shown_name(), std::move(consequence)});
}

}  // namespace sluice::control
