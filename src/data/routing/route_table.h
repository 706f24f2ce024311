#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/regex.h"
#include "model/model.h"

// Exact host → exact alias → wildcard host, wildcard alias, regular expression (aliases.h) → catch-all; inside a host:
// exact path, else longest prefix. A host takes no fallback: when its own paths miss, the request is 404 (as in
// ingress-nginx).
namespace sluice::data {

using ClusterId = std::uint32_t;
inline constexpr ClusterId kNoCluster = 0xffffffff;

// Clusters by what they are for (model::Role); kNoCluster: none.
using FurtherClusters = std::array<ClusterId, model::kRoles>;

class Choice;
class Plan;
class Program;

// A compiled route: what a request needs of it at once. Lives as long as its HostRoutes.
struct Route {
  const model::Route* spec = nullptr;  // lives as long as this Route
  const model::RouteSettings* settings = nullptr;
  const Plan* plan = nullptr;  // what its requests need; null: nothing
  ClusterId cluster = kNoCluster;
  std::uint32_t series = 0;                  // number of the metric label set; dense, stable while the labels stay so
  const FurtherClusters* further = nullptr;  // null: none. Lives as long as this Route
  const Choice* choice = nullptr;            // between `cluster` and its canary; null: it has none. Lives as long
  const Program* program = nullptr;          // of its snippets; null: it has none. Lives as long as this Route
  const Regex* pattern = nullptr;  // whose groups its rewrite-target or snippets name; null: none. Lives as long
  std::string_view host;           // the host name as configured ("_" for the catch-all), for metric labels
  bool forwards = false;           // to `cluster`; else its spec says what is answered
  bool edited = false;             // pods get another head than the one that came (proxy/edit.h)
  bool host_tls = false;
  bool passthrough = false;      // its host's TLS goes to `cluster` undecrypted: the path is /
  bool no_tls_redirect = false;  // its configured path is under no-tls-redirect-locations
};

// Load balancers ask the ports that carry traffic whether somebody is there: this path at a host that no Ingress names
// is answered by the proxy itself, as by ingress-nginx (--health-check-path), unless a catch-all has that very path.
inline constexpr std::string_view kProbePath = "/healthz";
inline bool is_own_page(const Route* route, std::string_view path, std::string_view page) noexcept {
  if (route && route->host != "_") return false;
  return path == page && (!route || route->spec->location.view() != page);
}
inline bool is_probe(const Route* route, std::string_view path) noexcept {
  return is_own_page(route, path, kProbePath);
}
// Agents beside the process read nginx's counters there, likewise.
inline constexpr std::string_view kStatusPath = "/nginx_status";
inline bool is_status_page(const Route* route, std::string_view path) noexcept {
  return is_own_page(route, path, kStatusPath);
}

// One host's routes, immutable.
class HostRoutes;

// What patterns leave open whose match takes too many steps. Such a pattern takes no request from another namespace:
// where it would go there without the pattern, it does.
struct Doubt {
  bool undecided = false;    // nobody knows the answer, as it may be such a pattern's
  std::uint32_t passed = 0;  // matches that gave up beside that
};

class RouteTable {
 public:
  virtual ~RouteTable() = default;
  // `host`: lower case, without port and trailing dot. `path`: normalised (net/http/path.h). Never throws, never
  // allocates, cost independent of the number of hosts. Null when nothing matches.
  // The returned pointer is valid as long as the table lives.
  // `doubt` (null: the answer is null where it is undecided): where that is so by a path, the route that is returned is
  // the one whose pattern takes too many steps for it.
  virtual const Route* match(std::string_view host, std::string_view path, Doubt* doubt = nullptr) const noexcept = 0;
  // The route of that host whose path is written "/": where all of its TLS goes when that is passed through.
  virtual const Route* root(std::string_view host) const noexcept = 0;
  // The host that takes requests for this name; null when there is none. Valid as long as the table.
  virtual const HostRoutes* host(std::string_view name) const noexcept = 0;
  // Like match, and tells each step for `sluice explain`: the same walk, not a copy.
  virtual const Route* explain(std::string_view host, std::string_view path,
                               const std::function<void(std::string_view step)>& say) const = 0;
  virtual std::size_t hosts() const noexcept = 0;
  virtual std::size_t routes() const noexcept = 0;
  virtual void for_each(const std::function<void(const Route&)>& fn) const = 0;
};

}  // namespace sluice::data
