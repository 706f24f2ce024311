#pragma once
#include "control/kube/state.h"

// One host of the Model, made of the Ingresses that name it. build() takes the steps in the order in which they stand
// here; each reads what the ones before it have left.
namespace sluice::control {

// One path of the host, before it is split into what the data plane matches.
struct Location {
  std::string path;
  bool exact = false;
  bool implicit = false;  // the / that every host has
  const IngressState* owner = nullptr;
  const Backend* backend = nullptr;  // null: the default backend, or 404
  std::string written_type;
  std::shared_ptr<const model::RouteSettings> settings;
  bool closed = false;  // answers 503
  Text text;            // `path`, once it is known to be served
};

// Older first; objects without a timestamp in the order of the files. Ties: namespace/name descending, as in
// ingress-nginx.
bool older(const Ingress& a, const Ingress& b);

class Store::State::HostBuilder {
 public:
  // `name` is one of state.hosts. Both outlive the builder.
  HostBuilder(State& state, const std::string& name);
  BuiltHost build();

 private:
  // host_builder.cpp: who has a say, and what holds for the whole host.
  void find_owners();
  void choose_upstream_tls();
  bool closed_by(const IngressState& owner) const;
  std::shared_ptr<const model::RouteSettings> settings_of(const IngressState& owner);
  bool passes_through();
  void add_certificates();

  // host_locations.cpp: the paths, and the routes that they become.
  void add_root();
  Location catch_all_root();
  Location implicit_root();
  void add_paths(const IngressState& owner);
  void add_path(const IngressState& owner, const IngressPath& written, const std::string& field);
  void report_conflict(const Location& taken, const Location& refused, const std::string& field);
  void add_routes();
  void add_route(const Location& location, model::PathMatch match, const std::string& path);
  void lead_to(model::Route& route, const Location& location, const ClusterKey& key);

  void report(const IngressState& at, model::Problem problem);

  State& state_;
  const std::string& name_;
  BuiltHost out_;
  std::shared_ptr<model::Host> host_;
  std::vector<const IngressState*> owners_;  // oldest first
  // Those whose proxy-ssl-secret cannot be used, and what counts for the host of the others' wishes.
  std::set<const IngressState*> without_secret_;
  std::shared_ptr<const model::UpstreamTls> upstream_tls_;
  std::map<const IngressState*, std::shared_ptr<const model::RouteSettings>> settings_;
  // A (path, type) belongs to the first that names it.
  std::vector<Location> locations_;
  std::map<std::pair<std::string, bool>, std::size_t> known_;
  std::set<std::pair<model::PathMatch, std::string>> taken_;  // by routes
};

}  // namespace sluice::control
