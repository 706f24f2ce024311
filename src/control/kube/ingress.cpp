#include "control/kube/closing.h"
#include "control/kube/grammar.h"
#include "control/kube/guarding_options.h"
#include "control/kube/state.h"

namespace sluice::control {

using model::Severity;

// Older first; objects without a timestamp in the order of the files. Ties: namespace/name descending, as in
// ingress-nginx.
bool older(const Ingress& a, const Ingress& b) {
  if (a.meta.created != b.meta.created) return a.meta.created < b.meta.created;
  if (a.meta.created == kNoTimestamp) {
    if (a.meta.origin.file != b.meta.origin.file) return a.meta.origin.file < b.meta.origin.file;
    if (a.meta.position != b.meta.position) return a.meta.position < b.meta.position;
  }
  return key_of(a.meta) > key_of(b.meta);
}

namespace {

std::string path_field(std::size_t rule, std::size_t path, const char* what) {
  return "spec.rules[" + std::to_string(rule) + "].http.paths[" + std::to_string(path) + "]" + what;
}

// One path of one host, before it is split into what the data plane matches.
struct Location {
  std::string path;
  bool exact = false;
  bool implicit = false;  // the / that every host has
  const IngressState* owner = nullptr;
  const Backend* backend = nullptr;  // null: the default backend, or 404
  std::string written_type;
  std::shared_ptr<const model::RouteSettings> settings;
  Text closed;  // why it answers 503; empty: it does not
  Text text;    // `path`, once it is known to be served
};

// The three that Kubernetes knows are everywhere.
Text path_type_text(const std::string& written) {
  static const Text known[] = {"Prefix", "Exact", "ImplementationSpecific"};
  for (const Text& t : known)
    if (t == written) return t;
  return written;
}

// Is TLS of the host passed through? Its oldest Ingress says whether, its path / says where to, as in ingress-nginx.
// What of such a wish cannot be is reported.
bool passes_through(const std::string& host, const std::vector<const IngressState*>& owners,
                    const std::vector<Location>& locations, bool enabled, Entries& entries) {
  bool wanted = false;
  const auto in_vain = [&](const IngressState* o, std::string expected) {
    entries.push_back({*o->ref,
                       {Severity::warning, "NoEffect", "metadata.annotations[ssl-passthrough]", "true",
                        std::move(expected), "TLS of " + (host.empty() ? "its host" : host) + " ends here"}});
  };
  for (const auto* o : owners) {
    if (!o->ssl_passthrough) continue;
    if (!enabled)
      in_vain(o, "--enable-ssl-passthrough on the command line");
    else if (host.empty())
      in_vain(o, "a host in the rule, to tell its clients by");
    else if (!owners.front()->ssl_passthrough)
      in_vain(o, "the annotation on Ingress " + key_of(owners.front()->ingress().meta) + ", which is older");
    else
      wanted = true;
  }
  if (!wanted) return false;
  const auto root = std::find_if(locations.begin(), locations.end(), [](const Location& l) {
    return l.path == "/" && l.backend && !l.backend->resource && l.closed.empty();
  });
  if (root == locations.end()) {
    in_vain(owners.front(), "an open path / with a Service");
    return false;
  }
  for (const auto& l : locations)
    if (l.path != "/" && l.owner)
      entries.push_back(
          {*l.owner->ref,
           {Severity::warning, "PassthroughPath", "spec.rules", shorten(l.path),
            "the path / alone, as TLS of " + host + " is passed through",
            "it is served on plain http; by TLS all of the host goes to Service " + root->backend->service}});
  return true;
}

RefPtr default_backend_flag() {
  static const RefPtr flag =
      std::make_shared<const model::ObjectRef>(model::ObjectRef{"CommandLine", "", "--default-backend", {}});
  return flag;
}

}  // namespace

void Store::State::accept(IngressState& state, AnnotationResult&& result, Entries& entries) {
  state.accepted = state.object;
  if (const auto keys = close_by_options(guards, result.own, result.closing); !keys.empty())
    entries.push_back({*state.ref,
                       {Severity::error, "ClosedByOption", "spec.rules", "",
                        "options that this version serves, or --accept-unprotected",
                        "its paths answer 503, as the options " + keys + " guard them and are not served"}});
  state.closing = result.closing == Closing{} ? nullptr : std::make_shared<const Closing>(std::move(result.closing));
  state.use_regex = result.use_regex;
  state.rewrite_target = std::move(result.rewrite_target);
  state.ssl_passthrough = result.values.ssl_passthrough;
  auto& ssl = result.values.proxy_ssl;
  state.proxy_ssl = ssl.secret.empty() ? nullptr : std::make_shared<const ProxySsl>(std::move(ssl));
  state.settings = shared_settings.of(std::move(result.values.settings));
}

// Decides what of an Ingress is served, and marks the hosts that this touches.
void Store::State::evaluate(const std::string& key) {
  auto it = ingresses.find(key);
  Entries entries;
  if (it == ingresses.end()) return say("ingress/" + key, {});
  ++work.ingresses;
  auto& state = it->second;
  auto& ingress = std::get<Ingress>(*state.object);
  const model::ObjectRef& ref = *state.ref;
  auto before = state.hosts;
  auto secret_of = [](const IngressState& s) {
    return s.accepted && s.proxy_ssl ? s.proxy_ssl->secret : std::string();
  };
  auto secret_before = secret_of(state);
  const bool served_before = state.accepted != nullptr;

  std::string why;
  if (!ours(ingress, why)) {
    entries.push_back(
        {ref,
         {Severity::ignored, "OtherClass", "spec.ingressClassName",
          ingress.class_name ? shorten(*ingress.class_name) : "", "a class of ours", "not served: " + why}});
    state.accepted = nullptr;
    state.hosts.clear();
  } else {
    auto result = read_annotations(ingress, settings, *model->options);
    for (auto& p : result.problems) entries.push_back({ref, p});
    if (!result.dropped && !result.canary) {
      accept(state, std::move(result), entries);
    } else {
      // Not kept in its previous version, as ingress-nginx would: a directory means the same after a restart.
      state.accepted = nullptr;
    }
    state.hosts.clear();
    if (state.accepted) {
      auto& served = state.ingress();
      for (std::size_t i = 0; i < served.rules.size(); ++i) {
        auto host = lower(served.rules[i].host);
        if (!host.empty() && !is_host_name(host, true)) {
          entries.push_back({ref,
                             {Severity::error, "InvalidHost", "spec.rules[" + std::to_string(i) + "].host",
                              shorten(host), "a DNS name, with '*.' at most in front", "the rule is not served"}});
          continue;
        }
        state.hosts.insert(host);
      }
      if (served.rules.empty() && served.default_backend) state.hosts.insert("");
      if (state.hosts.empty() && entries.empty())
        entries.push_back(
            {ref, {Severity::warning, "Empty", "spec.rules", "", "rules or a defaultBackend", "it serves nothing"}});
    }
  }
  for (auto& host : before)
    if (!state.hosts.contains(host)) hosts[host].owners.erase(key);
  for (auto& host : state.hosts) hosts[host].owners.insert(key);
  dirty_hosts.insert(before.begin(), before.end());
  dirty_hosts.insert(state.hosts.begin(), state.hosts.end());

  auto secret_now = secret_of(state);
  if (secret_before != secret_now) {
    if (auto s = ingresses_of_secret.find(secret_before);
        s != ingresses_of_secret.end() && s->second.erase(key) && s->second.empty())
      ingresses_of_secret.erase(s);
    if (!secret_now.empty()) ingresses_of_secret[secret_now].insert(key);
    references_changed = true;
  }
  if (served_before != (state.accepted != nullptr)) served_changed[key] = !served_before;
  say("ingress/" + key, std::move(entries));
}

// "<ns>-<service>-<port>" as in ingress-nginx's logs. Two different triples can spell the same; the later one gets a
// name of its own, so that no tenant is served another's pods.
const ClusterTexts& Store::State::cluster_texts(const ClusterKey& key) {
  auto known = cluster_names.find(key);
  if (known != cluster_names.end()) return known->second;
  auto name = key.ns + "-" + key.service + (key.port.empty() ? "" : "-" + key.port);
  if (auto taken = clusters.find(name); taken != clusters.end() && taken->second.key != key)
    name = key.ns + "/" + key.service + ":" + key.port;
  clusters[name].key = key;
  return cluster_names.emplace(key, ClusterTexts{name, key.service, key.port}).first->second;
}

std::shared_ptr<const model::Host> Store::State::build_host(const std::string& name, Entries& entries,
                                                            std::map<std::string, RefPtr>& used_clusters,
                                                            std::map<std::string, RefPtr>& used_certificates) {
  auto& state = hosts.find(name)->second;
  std::vector<const IngressState*> owners;
  for (auto& key : state.owners) owners.push_back(&ingresses.find(key)->second);
  std::sort(owners.begin(), owners.end(), [](auto* a, auto* b) { return older(a->ingress(), b->ingress()); });
  bool has_default = !default_backend_service.empty();
  if (owners.empty() && !(name.empty() && has_default)) return nullptr;

  auto host = std::make_shared<model::Host>();
  host->name = name;
  std::map<const IngressState*, Text> denied;
  const IngressState* secure = nullptr;  // whose proxy-ssl-* count for the host
  std::shared_ptr<const model::UpstreamTls> tls;
  for (auto* o : owners) {
    if (!o->proxy_ssl) continue;
    auto& wanted = *o->proxy_ssl;
    std::string why;
    auto made = upstream_tls(wanted, why);
    if (!made) {
      denied[o] = "proxy-ssl-secret of " + o->ref->text() + " cannot be used";
      entries.push_back({*o->ref,
                         {Severity::error, "InvalidSecret", "metadata.annotations[proxy-ssl-secret]", wanted.secret,
                          why, "the paths of this Ingress answer 503"}});
    } else if (!secure) {
      secure = o;
      tls = made;
    }
  }
  std::map<const IngressState*, std::shared_ptr<const model::RouteSettings>> settings_of;
  auto settings_for = [&](const IngressState* o) {
    auto& s = settings_of[o];
    if (s) return s;
    const auto protocol = o->settings->protocol;
    const bool plain = protocol == model::BackendProtocol::http || protocol == model::BackendProtocol::grpc;
    if (plain || !tls) return s = o->settings;
    model::RouteSettings copy = *o->settings;
    copy.upstream_tls = tls;
    return s = shared_settings.of(std::move(copy));
  };

  // The locations: the implicit / first, then each path of each Ingress by age; (path, type) belongs to the first.
  std::vector<Location> locations;
  std::map<std::pair<std::string, bool>, std::size_t> known;
  {
    Location root;
    root.path = "/";
    root.implicit = true;
    root.settings = defaults;
    const IngressState* catch_all = nullptr;
    for (auto* o : owners)
      if (name.empty() && o->ingress().rules.empty() && o->ingress().default_backend) {
        if (!catch_all)
          catch_all = o;
        else
          entries.push_back(
              {*o->ref,
               {Severity::error, "PathConflict", "spec.defaultBackend", "", "one catch-all",
                "not served: it belongs to Ingress " + key_of(catch_all->ingress().meta) + ", which is older"}});
      }
    if (catch_all) {
      root.owner = catch_all;
      root.backend = &*catch_all->ingress().default_backend;
      root.implicit = false;
      // Redirects do not reach the catch-all (as in ingress-nginx); all else does.
      model::RouteSettings copy = *settings_for(catch_all);
      copy.redirect.reset();
      copy.ssl_redirect = defaults->ssl_redirect;
      copy.force_ssl_redirect = defaults->force_ssl_redirect;
      root.settings = shared_settings.of(std::move(copy));
    } else if (!name.empty()) {
      root.owner = owners.front();
      if (root.owner->ingress().default_backend) root.backend = &*root.owner->ingress().default_backend;
      root.settings = settings_for(root.owner);
    } else {
      for (auto* o : owners)
        if (!root.backend && o->ingress().default_backend) {
          root.owner = o;
          root.backend = &*o->ingress().default_backend;
        }
    }
    locations.push_back(std::move(root));
    known[{"/", false}] = 0;
  }
  for (auto* o : owners) {
    auto& ingress = o->ingress();
    const model::ObjectRef& ref = *o->ref;
    for (std::size_t r = 0; r < ingress.rules.size(); ++r) {
      if (lower(ingress.rules[r].host) != name) continue;
      for (std::size_t p = 0; p < ingress.rules[r].paths.size(); ++p) {
        auto& written = ingress.rules[r].paths[p];
        Location l;
        l.path = written.path.empty() ? "/" : written.path;
        l.exact = written.type == "Exact";
        l.owner = o;
        l.backend = &written.backend;
        l.written_type = written.type;
        l.settings = settings_for(o);
        if (l.path[0] != '/' || has_control(l.path)) {
          entries.push_back({ref,
                             {Severity::error, "InvalidPath", path_field(r, p, ".path"), shorten(l.path),
                              "a path that begins with / and has no control characters", "the path is not served"}});
          continue;
        }
        if (l.path.find("//") != std::string::npos || (l.path + "/").find("/./") != std::string::npos ||
            (l.path + "/").find("/../") != std::string::npos)
          entries.push_back({ref,
                             {Severity::warning, "UnreachablePath", path_field(r, p, ".path"), shorten(l.path),
                              "a path without //, /./ and /../",
                              "no request matches it, as requests are compared after such parts are resolved"}});
        auto [it, added] = known.try_emplace({l.path, l.exact}, locations.size());
        if (added) {
          locations.push_back(std::move(l));
        } else if (auto& owner = locations[it->second]; owner.implicit) {
          owner = std::move(l);
        } else {
          entries.push_back(
              {ref,
               {Severity::error, "PathConflict", path_field(r, p, ".path"), shorten(l.path),
                "a path and type of its own at " + (name.empty() ? "the catch-all host" : "host " + name),
                owner.owner == o ? "not served: an earlier path of this Ingress has it"
                                 : "not served: it belongs to " +
                                       std::string(owner.written_type.empty() && owner.path == "/" && name.empty()
                                                       ? "the defaultBackend of "
                                                       : "") +
                                       "Ingress " + key_of(owner.owner->ingress().meta) +
                                       (older(owner.owner->ingress(), ingress) ? ", which is older" : "")}});
        }
      }
    }
  }

  HostClosing closing(owners, *model->options);
  for (const auto& l : locations)
    if (l.owner) closing.add_location(*l.owner, l.path, l.exact);
  for (auto& l : locations) {
    if (!l.owner && has_default) {
      if (const auto names = closed_without_ingress(guards); !names.empty())
        l.closed = "requests that no Ingress takes are protected by " + names + ", which this version does not serve";
    } else if (const auto it = denied.find(l.owner); it != denied.end()) {
      l.closed = it->second;
    } else if (l.owner) {
      l.closed = closing.why(*l.owner, l.path);
    }
    if (l.closed.empty()) continue;
    model::RouteSettings refused = *l.settings;  // before any redirect
    refused.redirect.reset();
    refused.ssl_redirect = refused.force_ssl_redirect = false;
    l.settings = shared_settings.of(std::move(refused));
  }
  closing.report(name, entries);

  host->passthrough = passes_through(name, owners, locations, settings.ssl_passthrough, entries);

  // Each location becomes what the data plane matches.
  std::set<std::pair<model::PathMatch, std::string>> taken;
  auto add = [&](const Location& l, model::PathMatch match, const std::string& path) {
    if (!taken.emplace(match, path).second) return;
    model::Route route;
    route.match = match;
    route.settings = l.settings;
    route.location = l.text;
    route.path = path == l.path ? l.text : Text(path);
    route.path_type = path_type_text(l.written_type);
    const Backend* backend = l.backend;
    if (l.owner) {
      auto& ref = *l.owner->ref;
      route.ns = ref.ns;
      route.ingress = ref.name;
      route.origin = ref.origin;
    }
    auto use = [&](const ClusterKey& key) {
      const ClusterTexts& texts = cluster_texts(key);
      route.cluster = texts.name;
      route.service = texts.service;
      route.service_port = texts.port;
      used_clusters.emplace(texts.name, l.owner ? l.owner->ref : default_backend_flag());
    };
    if (!l.closed.empty()) {
      route.status = 503;
      route.because = l.closed;
      if (backend) {
        route.service = backend->service;
        route.service_port = backend->port;
      }
    } else if (backend && backend->resource) {
      route.status = 404;
      entries.push_back({*l.owner->ref,
                         {model::Severity::warning, "UnsupportedBackend", "backend.resource", "", "a Service",
                          "requests for " + (name.empty() ? "any other host" : name) + l.path + " answer 404"}});
    } else if (backend) {
      use({route.ns.str(), backend->service, backend->port});
    } else if (has_default) {
      auto slash = default_backend_service.find('/');
      use({default_backend_service.substr(0, slash), default_backend_service.substr(slash + 1), default_backend_port});
    } else {
      route.status = 404;
    }
    host->routes.push_back(std::move(route));
  };
  using enum model::PathMatch;
  for (auto& l : locations) l.text = l.path;
  for (auto& l : locations)
    if (l.exact || l.path.back() == '/') add(l, l.exact ? exact : prefix, l.path);
  for (auto& l : locations) {
    if (l.exact || l.path.back() == '/') continue;
    add(l, prefix, l.path + "/");
    add(l, exact, l.path);  // unless an Exact path has it
  }
  for (auto& l : locations) {
    if (l.path.size() < 2 || l.path.back() != '/') continue;
    auto bare = l.path.substr(0, l.path.size() - 1);
    if (!taken.contains({exact, bare})) add(l, slash_redirect, bare);
  }

  host->routes.shrink_to_fit();  // it stays for long

  for (auto* o : owners) {
    auto& ingress = o->ingress();
    if (ingress.tls.empty() || name.empty()) continue;
    host->tls = true;
    std::vector<std::string> named;
    for (auto& t : ingress.tls)
      for (auto& h : t.hosts)
        if (lower(h) == name && named.empty() && !t.secret.empty()) named.push_back(t.secret);
    if (named.empty())
      for (auto& t : ingress.tls)
        if (!t.secret.empty()) named.push_back(t.secret);
    for (auto& s : named) {
      auto full = ingress.meta.ns + "/" + s;
      if (used_certificates.emplace(full, o->ref).second) host->certificates.push_back(full);
    }
  }
  return host;
}

void Store::State::rebuild_host(const std::string& name, model::Change& change) {
  auto it = hosts.find(name);
  if (it == hosts.end()) return;
  ++work.hosts;
  auto& state = it->second;
  Entries entries;
  std::map<std::string, RefPtr> used_clusters, used_certificates;
  auto built = build_host(name, entries, used_clusters, used_certificates);
  say("host/" + name, std::move(entries));

  auto exchange = [&](Names& had, const std::map<std::string, RefPtr>& uses, auto& all, std::set<std::string>& dirty) {
    for (auto& n : had)
      if (!uses.contains(n)) {
        all[n].users.erase(name);
        dirty.insert(n);
      }
    Names now;
    now.reserve(uses.size());
    for (auto& [n, ref] : uses) {
      // What is wrong with it is said of its first user, who may be another one now.
      auto& users = all[n].users;
      const RefPtr before = users.empty() ? nullptr : users.begin()->second;
      users[name] = ref;
      const RefPtr& now_first = users.begin()->second;
      if (!before || before->ns != now_first->ns || before->name != now_first->name) dirty.insert(n);
      now.insert(n);
    }
    had = std::move(now);
  };
  exchange(state.clusters, used_clusters, clusters, dirty_clusters);
  const Names named = state.certificates;
  exchange(state.certificates, used_certificates, certificates, dirty_certificates);
  references_changed = references_changed || named != state.certificates;

  bool same = built && state.built ? *built == *state.built : built == state.built;
  if (!same) {
    change.hosts.push_back(name);
    if (built)
      model->hosts[name] = built;
    else
      model->hosts.erase(name);
    state.built = built;
  }
  if (!built) hosts.erase(it);
}

void Store::State::mark_hosts_of(const std::string& ingress) {
  if (auto it = ingresses.find(ingress); it != ingresses.end())
    dirty_hosts.insert(it->second.hosts.begin(), it->second.hosts.end());
}

}  // namespace sluice::control
