#include "control/kube/ingress/host_builder.h"

#include <algorithm>

#include "base/regex.h"
#include "control/kube/grammar.h"
#include "control/kube/guarding_options.h"
#include "control/kube/ingress/by_host.h"
#include "control/kube/ingress/closing.h"

namespace sluice::control {

using model::Severity;

namespace {

// nginx's inheritance of directives: what the nearer one says counts, the rest is as the farther one says. null:
// nothing is said there.
model::Shared<model::UpstreamTls> within(const model::Shared<model::UpstreamTls>& near,
                                         const model::Shared<model::UpstreamTls>& far) {
  if (!near || !far || near == far) return near ? near : far;
  model::UpstreamTls out = *near;
  if (out.ca_pem.empty()) {
    out.ca_pem = far->ca_pem;
    out.verify = far->verify;
    out.verify_depth = far->verify_depth;
    out.protocols = far->protocols;
    out.ciphers = far->ciphers;
  }
  if (out.server_name.empty()) out.server_name = far->server_name;
  if (out.certificate_pem.empty()) {
    out.certificate_pem = far->certificate_pem;
    out.key_pem = far->key_pem;
  }
  if (out == *near) return near;
  return out == *far ? far : std::move(out);
}

}  // namespace

bool older(const Meta& a, const Meta& b) {
  if (a.created != b.created) return a.created < b.created;
  if (a.created == kNoTimestamp) {
    if (a.origin.file != b.origin.file) return a.origin.file < b.origin.file;
    if (a.position != b.position) return a.position < b.position;
  }
  return key_of(a) > key_of(b);
}

HostBuilder::HostBuilder(IngressTranslator& state, const std::string& name)
    : state_(state), name_(name), host_(std::make_shared<model::Host>()) {
  host_->name = name;
}

HostBuilder::HostBuilder(IngressTranslator& state, const std::string& name, const IngressState& candidate)
    : HostBuilder(state, name) {
  candidate_ = &candidate;
}

BuiltHost HostBuilder::build() {
  find_tenants();
  find_canaries();
  make();
  if (!out_.host || !out_.host->redirected.empty()) report_lone_canaries();
  return std::move(out_);
}

void HostBuilder::make() {
  if (is_other_name()) return;
  const bool served = std::any_of(tenants_.begin(), tenants_.end(), [](auto& t) { return !t.ingresses.empty(); });
  // A host whose Ingresses are all refused is there, so that its requests go to no wildcard host of somebody else's.
  const bool wanted = name_.empty() ? served || !state_.default_backend_service_.empty() : !tenants_.empty();
  if (!wanted) return;
  if (!state_.core_.model->options->share_hosts) turn_others_away();
  for (Tenant& tenant : tenants_) {
    choose_upstream_tls(tenant);
    choose_ambiguous_paths(tenant);
    choose_server_snippet(tenant);
  }
  if (!tenants_.empty()) {
    host_->ns = owner().ns;
    host_->tls = owner().tls;
  }
  add_root();
  for (std::size_t place = 0; place < tenants_.size(); ++place) {
    add_paths(place);
    if (place == 0) keep_root();
    if (place + 1 < tenants_.size()) withhold_paths(place);
  }
  choose_patterns();
  report_unreachable();
  choose_app_root();
  choose_client_auth();
  close_locations();
  merge_canaries();
  host_->passthrough = passes_through();
  choose_names();
  add_routes();
  add_snippet_locations();
  report_nobody_to_ask();
  report_pages_without_path();
  report_locations_without_use();
  add_certificates();
  report_without_effect();
  out_.host = std::move(host_);
}

void HostBuilder::report(const IngressState& at, model::Problem problem) {
  out_.entries.push_back({*at.ref, std::move(problem)});
}

void HostBuilder::find_tenants() {
  add_tenants(state_.claims_at(name_, candidate_));
}

void HostBuilder::add_tenants(const std::vector<const IngressState*>& claims) {
  std::map<std::string_view, std::size_t> known;
  for (const IngressState* claim : claims) {
    const auto [at, added] = known.try_emplace(claim->meta().ns, tenants_.size());
    if (added) tenants_.emplace_back().ns = claim->ref->ns;
    Tenant& tenant = tenants_[at->second];
    (claim->accepted ? tenant.ingresses : tenant.refused).push_back(claim);
    tenant.tls = tenant.tls || (claim->accepted && !name_.empty() && !claim->ingress().tls.empty());
  }
}

// Where hosts are not shared the owner is alone.
void HostBuilder::turn_others_away() {
  for (std::size_t i = 1; i < tenants_.size(); ++i)
    for (const IngressState* o : tenants_[i].ingresses)
      report(*o, {Severity::error, "HostOfOtherNamespace", "spec.rules", shorten(name_),
                  "a host of its own, as " + shown_name() + " belongs to namespace " + owner().ns +
                      " and share-hosts is false",
                  "its paths there are not served"});
  if (tenants_.size() > 1) tenants_.resize(1);
}

// As in ingress-nginx the oldest with a usable Secret counts at the whole host, where an Ingress has none of its own
// (settings_of), unless proxy-ssl-location-only says that each has its own alone; but not for pods of other namespaces,
// who would be shown its client certificate or refused by its authorities.
void HostBuilder::choose_upstream_tls(Tenant& tenant) {
  for (const IngressState* o : tenant.ingresses) {
    if (!o->proxy_ssl) continue;
    Certificates::Unusable why;
    auto made = state_.certificates_.upstream_tls(*o->proxy_ssl, why);
    if (!made) {
      without_secret_.insert(o);
      report(*o, {Severity::error, why.reason, "metadata.annotations[" + std::string(why.annotation) + "]", why.value,
                  why.expected, "the paths of this Ingress answer 503"});
    } else {
      own_upstream_tls_.emplace(o, made);
      if (!tenant.upstream_tls) tenant.upstream_tls = std::move(made);
    }
  }
}

// Paths of one namespace at a host lead to the same pods as often as not: where one of its Ingresses refuses what two
// readers take for different paths, a sibling that lets them pass would lead around it.
void HostBuilder::choose_ambiguous_paths(Tenant& tenant) {
  const auto less = [](auto* a, auto* b) { return a->settings->ambiguous_paths < b->settings->ambiguous_paths; };
  const auto strictest = std::max_element(tenant.ingresses.begin(), tenant.ingresses.end(), less);
  if (strictest == tenant.ingresses.end()) return;
  tenant.ambiguous_paths = (*strictest)->settings->ambiguous_paths;
  for (const IngressState* o : tenant.ingresses)
    if (o->settings->ambiguous_paths != tenant.ambiguous_paths &&
        o->ingress().meta.annotations.contains(state_.core_.settings.annotations_prefix + "/ambiguous-paths"))
      report(*o, {Severity::warning, "NoEffect", "metadata.annotations[ambiguous-paths]",
                  std::string(to_string(o->settings->ambiguous_paths)),
                  "the same at Ingress " + key_of((*strictest)->meta()) + ", as the strictest of a namespace counts",
                  "paths of namespace " + tenant.ns + " at " + shown_name() + " are treated as " +
                      std::string(to_string(tenant.ambiguous_paths)) + " says"});
}

// Its own settings, with what holds for all of its namespace at the host.
model::Shared<model::RouteSettings> HostBuilder::settings_of(const Tenant& tenant, const IngressState& ingress) {
  auto& known = settings_[&ingress];
  if (known) return known;
  refuse_pages(tenant, ingress);
  const auto protocol = ingress.settings->protocol;
  using enum model::BackendProtocol;
  const bool plain = protocol == http || protocol == grpc || protocol == fcgi;
  const auto own = own_upstream_tls_.find(&ingress);
  const auto upstream_tls =
      within(own == own_upstream_tls_.end() ? nullptr : own->second,
             state_.core_.model->options->proxy_ssl_location_only ? nullptr : tenant.upstream_tls);
  const bool tls = !plain && upstream_tls;
  const bool lists = ingress.settings->satisfy_any && ingress.settings->snippet;
  if (!tls && !lists && tenant.server_snippet == nullptr && ingress.settings->ambiguous_paths == tenant.ambiguous_paths)
    return known = ingress.settings;
  model::RouteSettings copy = *ingress.settings;
  if (tls) copy.upstream_tls = within(copy.upstream_tls, upstream_tls);
  copy.ambiguous_paths = tenant.ambiguous_paths;
  add_server_snippet(tenant, ingress, copy);
  if (!snippet::move_list(copy)) refuse_list(tenant, ingress);
  return known = state_.core_.shared_settings.of(std::move(copy));
}

// use-regex and a rewrite make all paths of their namespace at the host regular expressions. Paths that cannot be read
// as such are left out.
void HostBuilder::choose_patterns() {
  if (tenants_.empty()) return;
  for (const Location& l : locations_) {
    if (!l.makes_patterns()) continue;
    Tenant& tenant = tenants_[l.rank / 2];
    if (!tenant.patterns) tenant.patterns = l.owner;
  }
  std::map<const IngressState*, RegexBudget> budgets;
  std::erase_if(locations_, [&](const Location& l) {
    if (!tenants_[l.rank / 2].patterns || literal_beginning(l.path).whole) return false;
    // As data/routing/patterns.cpp makes them; where only one of the two is kept, the other costs nothing.
    auto why = may_alternate(l.path) ? budgets[l.owner].make(l.path) : Regex::make(l.path);
    if (why) why = budgets[l.owner].make("^" + l.path);
    if (why) return false;
    if (l.refused || !l.owner) return true;
    report(*l.owner, {Severity::error, "InvalidPattern", l.field.text(), shorten(l.path),
                      "a regular expression (PCRE2), as those of " + tenants_[l.rank / 2].patterns->ref->text() +
                          " make the paths of " + shown_name() + " such: " + why.error(),
                      "the path is not served"});
    unreadable_.try_emplace(l.owner, l.path);
    return true;
  });
}

// As in ingress-nginx, whose servers ask for it before they look for a path: of the owner's paths the longest decides
// whose Ingress has an app-root. Of those that a request for / may have, all carry it then, be they another's.
void HostBuilder::choose_app_root() {
  const Location* asks = nullptr;
  for (const Location& l : locations_) {
    if (l.rank != 0 || !l.owner || l.refused || !l.settings->app_root) continue;
    if (!asks || std::pair(l.path.size(), l.path) > std::pair(asks->path.size(), asks->path)) asks = &l;
  }
  const auto chosen = asks ? asks->settings->app_root : model::Shared<model::AppRoot>();
  for (Location& l : locations_) {
    const bool may_be_asked = l.path == "/" || (!tenants_.empty() && tenants_[l.rank / 2].patterns);
    const auto wanted = may_be_asked ? chosen : model::Shared<model::AppRoot>();
    if (l.settings->app_root == wanted) continue;
    model::RouteSettings copy = *l.settings;
    copy.app_root = wanted;
    l.settings = state_.core_.shared_settings.of(std::move(copy));
  }
}

// Who is asked whether a request may come. Where the URL of the service names the host of the request it is this one.
void HostBuilder::choose_auth(Location& l) {
  const auto& service = l.settings->external_auth;
  if (!l.settings->basic_auth && !service) return;
  const bool nobody = needs_no_auth(l.path, state_.core_.model->options->no_auth_locations);
  const bool one_name = !name_.empty() && !name_.starts_with("*.");
  const bool by_host = service && service->by_host && one_name;
  if (!nobody && l.owner && !by_host) return;
  model::RouteSettings copy = *l.settings;
  if (nobody) copy.basic_auth.reset();
  if (nobody || !l.owner) {
    copy.external_auth.reset();
  } else {
    model::ExternalAuth here = *service;
    here.host = name_;
    copy.external_auth = std::move(here);
  }
  l.settings = state_.core_.shared_settings.of(std::move(copy));
}

// What guards a path and is not served closes it, and what closing.h says beside it.
void HostBuilder::close_locations() {
  std::vector<const IngressState*> served;
  for (const Tenant& tenant : tenants_) served.insert(served.end(), tenant.ingresses.begin(), tenant.ingresses.end());
  std::ranges::copy_if(canaries_, std::back_inserter(served), [](auto* o) { return static_cast<bool>(o->closing); });
  HostClosing closing(served, tenants_.empty() ? std::string_view() : owner().ns.view(), *state_.core_.model->options);
  for (const auto& [ingress, path] : unreadable_) closing.add_unreadable(*ingress, path);
  for (Location& l : locations_) {
    choose_auth(l);
    if (!l.owner) {
      if (state_.default_backend_service_.empty()) continue;
      if (const auto names = closed_without_ingress(state_.options_.guards()); !names.empty())
        l.closed = "requests that no Ingress takes are protected by " + names + ", which this version does not serve";
    } else if (without_secret_.contains(l.owner)) {
      l.closed = "proxy-ssl-secret of " + l.owner->ref->text() + " cannot be used";
    } else if (const auto kept = not_kept_.find(l.owner); kept != not_kept_.end()) {
      l.closed = kept->second;
    } else if (const auto at = demands_certificates_.find(l.owner->ref->ns.view()); at != demands_certificates_.end()) {
      l.closed = at->second;
    } else {
      l.closed = closing.why(*l.owner, l.path);
      if (l.closed.empty() && l.settings->external_auth && l.settings->external_auth->host.empty()) {
        l.closed = "auth-url of " + l.owner->ref->text() + " names the host of the request, and " + shown_name() +
                   " has more than one name";
        report(*l.owner,
               {Severity::error, "UnsupportedAuthUrl", "metadata.annotations[auth-url]", l.settings->external_auth->url,
                "an URL whose host is a name, for " + shown_name(), "its paths there answer 503"});
      }
    }
    if (l.closed.empty()) continue;
    model::RouteSettings refused = *l.settings;  // before any redirect
    refused.redirect.reset();
    refused.cors.reset();
    refused.rewrite.reset();
    refused.app_root.reset();
    refused.snippet.reset();
    refused.ssl_redirect = refused.force_ssl_redirect = false;
    l.settings = state_.core_.shared_settings.of(std::move(refused));
  }
  closing.report(name_, out_.entries);
}

// Is TLS of the host passed through? The oldest Ingress of its owner says whether, the owner's path / says where to.
// What of such a wish cannot be is reported.
bool HostBuilder::passes_through() {
  bool wanted = false;
  const auto in_vain = [&](const IngressState& o, std::string expected) {
    report(o, {Severity::warning, "NoEffect", "metadata.annotations[ssl-passthrough]", "true", std::move(expected),
               "TLS of " + (name_.empty() ? "its host" : name_) + " ends here"});
  };
  for (const Tenant& tenant : tenants_) {
    for (const IngressState* o : tenant.ingresses) {
      if (!o->ssl_passthrough) continue;
      if (!state_.core_.settings.ssl_passthrough)
        in_vain(*o, "--enable-ssl-passthrough on the command line");
      else if (name_.empty())
        in_vain(*o, "a host in the rule, to tell its clients by");
      else if (&tenant != &owner())
        in_vain(*o, "an Ingress of namespace " + owner().ns + ", which the host belongs to");
      else if (!tenant.ingresses.front()->ssl_passthrough)
        in_vain(*o, "the annotation on Ingress " + key_of(tenant.ingresses.front()->meta()) + ", which is older");
      else
        wanted = true;
    }
  }
  if (!wanted) return false;
  const auto root = std::find_if(locations_.begin(), locations_.end(), [&](const Location& l) {
    return l.path == "/" && l.rank == 0 && l.backend && !l.backend->resource && l.closed.empty();
  });
  if (root == locations_.end()) {
    in_vain(*owner().ingresses.front(), "an open path / with a Service");
    return false;
  }
  for (const Location& l : locations_)
    if ((l.path != "/" || l.rank > 0) && l.owner && !l.refused)
      report(*l.owner,
             {Severity::warning, "PassthroughPath", "spec.rules", shorten(l.path),
              "the path / alone, as TLS of " + name_ + " is passed through",
              "it is served on plain http; by TLS all of the host goes to Service " + root->backend->service});
  return true;
}

void HostBuilder::add_certificates() {
  if (!host_->tls) return;
  host_->certificates = certificates_of(name_);
  for (model::Alias& alias : host_->aliases)
    if (!alias.name.starts_with('~') && !alias.name.ends_with(".*")) alias.certificates = certificates_of(alias.name);
  if (!candidate_) keep_certificates();
}

// Do its TLS sections name no host, and can they be for one name alone?
static bool speaks_of_one_name(const IngressState& state) {
  return state.hosts.size() == 1 && !state.asks_for_names() &&
         std::ranges::all_of(state.written().tls, [](const IngressTls& t) { return t.hosts.empty(); });
}

// The Secrets of the owner's Ingresses for the host, or another name of it.
std::vector<model::HostSecrets> HostBuilder::certificates_of(const std::string& name) {
  std::vector<model::HostSecrets> out;
  std::set<std::string> seen;
  for (const IngressState* o : owner().ingresses) {
    auto [found, by_name] = secrets_of(*o, name);
    model::HostSecrets named{
        {o->ref->kind, o->ref->ns, o->ref->name, {}}, {}, by_name || (found.size() > 1 && speaks_of_one_name(*o))};
    if (host_->passthrough && !found.empty() && name == name_)
      report(*o, {Severity::warning, "NoEffect", "spec.tls", found.front(),
                  "no Secret for " + name_ + ", as its TLS is passed through", "its certificate is never sent"});
    if (const auto most = max_certificates(o->written()); found.size() > most) {
      found.resize(most);
      report(*o,
             {Severity::warning, "TooMany", "spec.tls", "",
              "a TLS section that names " + name + ", or at most " + std::to_string(most), "the first are looked at"});
    }
    for (auto& secret : found) {
      out_.certificates.emplace(secret, o->ref);
      if (seen.insert(secret).second) named.secrets.push_back(std::move(secret));
    }
    if (!named.secrets.empty()) out.push_back(std::move(named));
  }
  return out;
}

// Secrets that were named for a name of the host until now stay behind those that are named in their place, for a
// while: whether one of these has a pair for the name is known to nobody here, be it there or not.
void HostBuilder::keep_certificates() {
  constexpr std::size_t kMost = 8;  // for one name, as its Secrets may be named anew again and again
  HostState& state = state_.hosts_.all.find(name_)->second;
  bool replaced = false;  // by this very change
  std::vector<std::pair<std::vector<model::HostSecrets>*, std::vector<model::HostSecrets>>> kept;
  const auto keep = [&](std::vector<model::HostSecrets>& now, const std::vector<model::HostSecrets>& before) {
    if (now.empty() || now == before) return;
    std::set<std::string_view> known;
    for (const auto& named : now) known.insert(named.secrets.begin(), named.secrets.end());
    std::vector<model::HostSecrets> formers;
    std::size_t left = kMost;
    for (const auto& named : before) {
      model::HostSecrets former{named.ingress, {}, false, true};
      for (const auto& secret : named.secrets)
        if (left > 0 && state_.core_.objects.has<Secret>(secret) && known.insert(secret).second)
          former.secrets.push_back(secret), --left;
      if (former.secrets.empty()) continue;
      replaced = replaced || !named.former;
      formers.push_back(std::move(former));
    }
    if (!formers.empty()) kept.emplace_back(&now, std::move(formers));
  };
  if (state.built && state.built->ns == host_->ns) {
    keep(host_->certificates, state.built->certificates);
    for (model::Alias& alias : host_->aliases) {
      const auto had = std::ranges::find(state.built->aliases, alias.name, &model::Alias::name);
      if (had != state.built->aliases.end()) keep(alias.certificates, had->certificates);
    }
  }
  if (kept.empty() || replaced) state_.core_.graces.settle(state_.hosts_, name_, state.grace);
  if (kept.empty() || !state_.core_.graces.graced(state_.hosts_, name_, state.grace)) return;
  for (auto& [now, formers] : kept) {
    for (model::HostSecrets& former : formers) {
      for (const auto& secret : former.secrets) out_.certificates.emplace(secret, owner().ingresses.front()->ref);
      now->push_back(std::move(former));
    }
  }
}

// What concerns the whole host counts in the Ingresses of its owner alone; passes_through() says so of ssl-passthrough.
void HostBuilder::report_without_effect() {
  report_names_without_effect();
  for (std::size_t i = 1; i < tenants_.size(); ++i) {
    for (const IngressState* o : tenants_[i].ingresses) {
      const Ingress& ingress = o->ingress();
      const auto in_vain = [&](const char* field, const std::string& value, std::string consequence) {
        report(*o, {Severity::warning, "HostOfOtherNamespace", field, shorten(value),
                    "an Ingress of namespace " + owner().ns + ", which " + shown_name() + " belongs to",
                    std::move(consequence)});
      };
      if (!name_.empty() && !ingress.tls.empty()) {
        std::string names;
        for (const auto& secret : secrets_of(*o, name_).secrets) add_element(names, secret);
        in_vain("spec.tls", names,
                "no certificate of it is shown for " + name_ + "; it turns on the redirect to https for paths of " +
                    "namespace " + tenants_[i].ns + " alone");
      }
      if (ingress.default_backend && !ingress.rules.empty())
        in_vain("spec.defaultBackend", ingress.default_backend->service.str(),
                "paths of " + shown_name() + " that no Ingress names do not go there");
    }
  }
}

}  // namespace sluice::control
