#pragma once
#include <boost/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "data/compiler/compiler.h"
#include "model/model.h"

// Words for what is served, shared by `sluice check` and `sluice explain`.
namespace sluice::app {

// "10.0.0.1:8080", "[fd00::1]:8080".
std::string address_text(const model::Endpoint& endpoint);
// "ready", "terminating; nobody else is left", "not ready".
std::string_view state_text(const model::Endpoint& endpoint);
// Endpoints that take new requests: the ready ones, or without any the terminating ones.
std::size_t usable(const model::Cluster& cluster);
// Why requests for it are answered 503: "Service default/app has no EndpointSlice".
std::string empty_text(const model::Cluster* cluster);
// "3 endpoints", "2 of 3 endpoints", "no endpoints (503): why". `without`: what is answered where there are none.
std::string endpoints_text(const model::Cluster* cluster, int without);
// How its endpoints are checked.
std::string health_check_text(const model::HealthCheck& check);
// The same of a canary's, whose requests the main Service gets then.
std::string canary_endpoints_text(const model::Cluster* cluster);
// Of the route's Service. `cluster`: the route's; null: it has none.
std::string service_namespace(const model::Route& route, const model::Cluster* cluster);
// Where the route leads: "default/app:80", "301 to https://…", "404 (no default backend)".
// `cluster`: the route's; null: it has none.
std::string destination_text(const model::Route& route, const model::Cluster* cluster);
// Why the route refuses all requests, whoever sends them: what guards it is not served, or cannot be used. Empty: it
// does not.
std::string_view closed_because(const model::Route& route) noexcept;
int closed_status(const model::Route& route) noexcept;  // of these
// Why a route without a Cluster answers 404.
std::string_view nowhere_because(const model::Route& route) noexcept;
// Where its canary leads and which requests that takes: "default/next:80: header X-Canary is always, 20 of 100 others".
// The route has one.
std::string canary_text(const model::Route& route);
// "Ingress default/canary".
std::string canary_ingress_text(const model::Route& route);
// What comes for a port: "tcp 5432 to default/db:5432, PROXY from clients, PROXY to pods".
std::string stream_text(const model::StreamListener& listener);
// "*.x.example"; "(any other host)" for the catch-all.
std::string host_text(std::string_view name);
// "Ingress default/app (app.yaml:12)".
std::string ingress_text(const model::Route& route);

const model::Cluster* find_cluster(const model::Model& model, const model::Route& route);
const model::Cluster* find_cluster(const model::Model& model, const model::StreamListener& listener);
// The Service of its error pages. Null: it has none, or nobody knows its Cluster.
const model::Cluster* find_errors_cluster(const model::Model& model, const model::Route& route);
// Null: the route has no canary, or nobody knows its Cluster.
const model::Cluster* find_canary_cluster(const model::Model& model, const model::Route& route);

boost::json::object to_json(const model::Entry& entry);
boost::json::object to_json(const model::Endpoint& endpoint);
boost::json::object to_json(const model::Canary& canary);
// `cluster`: null where it is not known.
boost::json::object to_json(const model::StreamListener& listener, const model::Cluster* cluster);

// The Model's Report and the Compiler's, one after the other.
std::vector<model::Entry> all_problems(const model::Model& model, const data::Compiler& compiler);
// Lines for what is wrong with flags: it matters whatever is asked about.
std::vector<std::string> problems_of_flags(const std::vector<model::Entry>& entries);

}  // namespace sluice::app
