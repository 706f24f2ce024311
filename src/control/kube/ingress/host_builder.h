#pragma once
#include <algorithm>
#include <span>

#include "control/kube/ingress/translator.h"

// One host of the Model, made of the Ingresses that name it. A host belongs to the namespace of its oldest Ingress;
// docs/tenancy.md says what the others may do. build() takes the steps in the order in which they stand here; each
// reads what the ones before it have left.
namespace sluice::control {

// What one namespace has at the host. Namespaces stand in a line, by the age of their oldest Ingress there: the first
// owns the host, and what one has is not changed by those behind it.
struct Tenant {
  Text ns;
  std::vector<const IngressState*> ingresses;      // that are served, oldest first
  std::vector<const IngressState*> refused;        // oldest first; they have their place in the line all the same
  model::Shared<model::UpstreamTls> upstream_tls;  // the oldest proxy-ssl-* of theirs; null: nothing
  model::AmbiguousPaths ambiguous_paths{};         // what counts of theirs: the strictest
  bool tls = false;                                // one of them has a TLS section
  const IngressState* server_snippet = nullptr;    // whose counts; null: there is none
  const IngressState* patterns = nullptr;          // who makes its paths regular expressions; null: they are none
};

// Where an Ingress says a path: which of the paths of which of its rules; else it is its defaultBackend.
struct PathField {
  static constexpr std::uint32_t kNone = 0xffffffff;
  std::uint32_t rule = kNone, path = kNone;
  bool default_backend() const { return rule == kNone; }
  std::string text() const {
    if (default_backend()) return "spec.defaultBackend";
    return "spec.rules[" + std::to_string(rule) + "].http.paths[" + std::to_string(path) + "].path";
  }
};

// One path of the host, before it is split into what the data plane matches.
struct Location {
  std::string path;
  bool exact = false;
  bool implicit = false;                  // the / that every host has
  std::size_t rank = 0;                   // twice the place of its namespace in the line, one more if it is withheld
  const IngressState* owner = nullptr;    // null: of the implicit / alone
  const IngressState* refused = nullptr;  // it is withheld: kept free of others for this Ingress, which is not served
  const Backend* backend = nullptr;       // null: the default backend, or 404
  PathField field;                        // of `owner`, that says so
  const IngressState* canary = nullptr;   // that takes some of its requests, to `canary_backend`; null: none does
  const Backend* canary_backend = nullptr;
  Text written_type;
  model::Shared<model::RouteSettings> settings;
  Text closed;  // why it answers 503; empty: it does not
  bool use_regex = false;
  bool tls = false;   // Route::tls
  bool lost = false;  // a namespace before has it; it was reported
  bool kept = false;  // it stays its namespace's: something may close it, or the namespace asks for it as Exact
  Text text;          // `path`, once it is known to be served
  // The implicit / where nobody has asked for what it answers: any namespace may put a path / in its place.
  bool free() const { return implicit && !backend && !kept && !refused && !settings->redirect; }
  // As ingress-nginx, which compares once it has put a slash behind a Prefix: a rewrite to the path itself is none.
  bool rewrites() const {
    return settings->rewrite && (settings->rewrite->target.text() != path || !(exact || path.ends_with('/')));
  }
  // Does it make all paths of its namespace at the host regular expressions?
  bool makes_patterns() const { return owner && !refused && (use_regex || rewrites()); }
};

class HostBuilder {
 public:
  // `name` is one of its hosts. Both outlive the builder.
  HostBuilder(IngressTranslator& state, const std::string& name);
  // The host as it would be with `candidate` in place of the Ingress of its name, to see what is said about that:
  // nothing in `state` is changed. All outlive the builder.
  HostBuilder(IngressTranslator& state, const std::string& name, const IngressState& candidate);
  BuiltHost build();

 private:
  // The steps; the host stays away where nobody wants it.
  void make();

  // host_names.cpp: whose the name is, and what other names the host has.
  bool is_other_name();
  void redirect_to(const NameHolder& holder);
  void choose_names();
  void report_standing(NameStanding standing, const std::string& name, const NameWish& wish);
  void report_names_without_effect();

  // host_builder.cpp: who has a say, and what holds for more than one path.
  void find_tenants();
  void add_tenants(const std::vector<const IngressState*>& claims);
  void turn_others_away();
  void choose_upstream_tls(Tenant& tenant);
  void choose_ambiguous_paths(Tenant& tenant);
  model::Shared<model::RouteSettings> settings_of(const Tenant& tenant, const IngressState& ingress);
  void choose_patterns();
  void report_unreachable();
  void choose_app_root();
  void choose_auth(Location& location);
  void close_locations();
  // host_tls.cpp: how TLS with clients is spoken.
  void choose_client_auth();
  void choose_tls_policy(const model::Shared<model::ClientAuth>& clients);
  bool passes_through();
  void add_certificates();
  std::vector<model::HostSecrets> certificates_of(const std::string& name);
  void keep_certificates();
  void report_without_effect();

  // host_locations.cpp: the paths.
  void add_root();
  Location catch_all_root();
  Location implicit_root();
  void keep_root();
  void add_paths(std::size_t place);
  void add_catch_all(std::size_t place, const IngressState& ingress);
  void add_path(Location location);
  void withhold_paths(std::size_t place);
  void withhold(std::size_t place, const IngressState& refused, const std::string& written, bool exact);
  const Location& answers(const std::string& path) const;
  void report_conflict(const Location& holder, const Location& loser);

  // host_canaries.cpp: which canaries join which paths.
  struct Mains {  // what a namespace has at the host, by path and pathType
    std::map<std::pair<std::string_view, std::string_view>, Location*> locations;
    std::set<std::pair<std::string_view, std::string_view>> upstreams;  // Service and port, that these lead to
  };
  void find_canaries();
  void merge_canaries();
  void merge_canary(const IngressState& canary, const Mains& mains);
  void join(const IngressState& canary, const Backend& backend, const std::string& field, Location& location,
            const Mains& mains);
  void report_without_main(const IngressState& canary, const std::string& field, const std::string& path);
  void report_unprotected(const IngressState& canary, const IngressState& main);
  void report_lone_canaries();
  void lead_to_canary(model::Route& route, const Location& location);

  // host_snippets.cpp: what snippets say of more than their own paths.
  void choose_server_snippet(Tenant& tenant);
  void add_server_snippet(const Tenant& tenant, const IngressState& ingress, model::RouteSettings& settings);
  void refuse_list(const Tenant& tenant, const IngressState& ingress);
  void refuse_pages(const Tenant& tenant, const IngressState& ingress);
  void add_snippet_locations();
  std::string twin_of(const snippet::Location& location, std::size_t place) const;
  void add_snippet_location(std::size_t place, const IngressState& ingress, const snippet::Block* around,
                            const snippet::Location& location);
  template <class Visit>
  void visit_snippets(Visit&& visit) const;
  void report_nobody_to_ask();
  void report_pages_without_path();
  void report_locations_without_use();
  // `implicit`: the / that each host has by itself is one.
  bool has_path(std::size_t place, std::string_view path, bool implicit = true) const;
  void lead_snippet_to(model::Route& route, const IngressState& ingress, const snippet::Pass& pass);

  // host_routes.cpp: what the paths become.
  void add_routes();
  void add_routes(std::span<Location> of_one_rank);
  void add_patterns(std::span<const Location> of_one_rank);
  bool of_another(const Location& location);
  const Location* add_route(const Location& location, model::PathMatch match, const std::string& path);
  const Location* holder_of(const Location& asks, model::PathMatch match, const std::string& path) const;
  void lead_to(model::Route& route, const Location& location, const ClusterKey& key);
  void lead_to_error_pages(model::Route& route, const Location& location);
  // Beside its own Cluster; each role once.
  void also_lead_to(model::Route& route, const Location& location, model::Role role, const ClusterKey& key,
                    Use use = Use::requests);

  const Tenant& owner() const { return tenants_.front(); }
  bool has_patterns() const {
    return std::any_of(tenants_.begin(), tenants_.end(), [](auto& t) { return t.patterns != nullptr; });
  }
  std::string shown_name() const { return name_.empty() ? "the catch-all host" : "host " + name_; }
  void report(const IngressState& at, model::Problem problem);

  IngressTranslator& state_;
  const IngressState* candidate_ = nullptr;
  const std::string& name_;
  BuiltHost out_;
  std::shared_ptr<model::Host> host_;
  std::vector<Tenant> tenants_;
  std::vector<const IngressState*> canaries_;     // oldest first
  std::set<const IngressState*> unprotected_;     // of them, that were reported as such
  std::map<std::string, NameWish> wishes_;        // for other names
  std::set<const IngressState*> without_secret_;  // whose proxy-ssl-secret cannot be used
  std::map<const IngressState*, Text> not_kept_;  // whose snippets say what cannot be kept here, and why
  std::map<const IngressState*, model::Shared<model::UpstreamTls>> own_upstream_tls_;  // of the others
  std::map<const IngressState*, model::Shared<model::RouteSettings>> settings_;
  std::set<const IngressState*> without_pages_;                   // whose custom-http-errors nobody answers in place of
  std::map<std::string_view, std::string> demands_certificates_;  // namespaces that do so in vain → why they are closed
  struct WrittenPath {
    const IngressState* owner;
    std::size_t rank;
    PathField field;
    std::string path;
  };
  std::vector<WrittenPath> unreachable_;                   // that no request has, unless they are regular expressions
  std::map<const IngressState*, std::string> unreadable_;  // a path of theirs that is no regular expression
  std::vector<Location> locations_;
  std::map<std::pair<std::string, bool>, std::size_t> known_;                  // (path, exact) → location
  std::map<std::pair<model::PathMatch, std::string>, const Location*> taken_;  // by routes
  std::map<std::string, const Location*> texts_;  // paths in lower case; where there are patterns
};

}  // namespace sluice::control
