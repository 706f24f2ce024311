#include <algorithm>

#include "control/destination.h"
#include "control/kube/clusters.h"
#include "control/kube/grammar.h"

namespace sluice::control {

std::uint16_t port_in(const EndpointSlice& slice, const ServicePort& wanted, PortBy by) {
  const bool udp = wanted.protocol == "UDP";
  const auto carries_it = [udp](const SlicePort& p) {
    return udp ? p.protocol == "UDP" : p.protocol != "UDP" && p.protocol != "SCTP";
  };
  for (auto& p : slice.ports)
    if (p.name == wanted.name && carries_it(p)) return p.port;
  const auto target = parse_int(wanted.target.empty() ? std::to_string(wanted.port) : wanted.target);
  if (target && *target >= 1 && *target <= 65535 &&
      (by == PortBy::guess || slice.ports.empty() ||
       std::any_of(slice.ports.begin(), slice.ports.end(), [&](auto& p) { return p.port == *target; })))
    return static_cast<std::uint16_t>(*target);
  if (by == PortBy::guess && wanted.name.empty())
    for (auto& p : slice.ports)
      if (carries_it(p)) return p.port;
  return 0;
}

namespace {

// One of the names that a text holds, with commas between them.
bool names(const Text& all, std::string_view one) {
  std::string_view rest = all;
  while (!rest.empty()) {
    const auto comma = rest.find(',');
    if (rest.substr(0, comma) == one) return true;
    rest = comma == rest.npos ? std::string_view() : rest.substr(comma + 1);
  }
  return false;
}

// For whom the ready endpoints of a Service are meant, by their hints, as kube-proxy reads them: those for our node,
// else those for our zone. They count where every ready endpoint has one, as halves would leave pods without requests,
// and where one is for us.
class Hints {
 public:
  enum class By : std::uint8_t { nothing, zone, node };

  Hints(const std::vector<ObjectPtr>& slices, std::string_view zone, std::string_view node) : zone_(zone), node_(node) {
    bool all_nodes = !node.empty(), all_zones = !zone.empty(), a_node = false, a_zone = false;
    for (const ObjectPtr& slice : slices)
      for (const auto& e : std::get<EndpointSlice>(*slice).endpoints) {
        if (!e.ready) continue;
        all_nodes = all_nodes && !e.for_nodes.empty();
        all_zones = all_zones && !e.for_zones.empty();
        a_node = a_node || names(e.for_nodes, node);
        a_zone = a_zone || names(e.for_zones, zone);
      }
    by_ = all_nodes && a_node ? By::node : all_zones && a_zone ? By::zone : By::nothing;
  }
  bool count() const noexcept { return by_ != By::nothing; }
  bool far(const SliceEndpoint& e) const {
    return by_ == By::node ? !names(e.for_nodes, node_) : by_ == By::zone && !names(e.for_zones, zone_);
  }
  // One of those that would be near, if it were ready: such have no hints.
  bool missing(const SliceEndpoint& e) const {
    return !e.ready && !e.terminating && (by_ == By::node ? e.node == node_ : by_ == By::zone && e.zone == zone_);
  }

 private:
  std::string_view zone_, node_;
  By by_ = By::nothing;
};

}  // namespace

// Adds the endpoints of all slices of the cluster's Service: the ready ones; only if there is none, those that go away
// but still serve (KEP-1669).
std::string Clusters::add_slices(const State& c, const ServicePort& port, model::Cluster& out, Entries& entries,
                                 PortBy by) const {
  const auto& slices = core_.objects.parts<Service>(c.key->service_key());
  if (slices.empty()) return {};
  const auto says = slices_say();
  std::string refused;
  const std::size_t most = most_endpoints(*c.key, c.balancing.get());
  bool more = false;  // than that
  const model::Options& options = *core_.model->options;
  // A key and a session have their pod, wherever that is.
  const bool bound = c.balancing && (c.balancing->hash_by || c.balancing->affinity);
  const bool looks = options.topology_aware_routing && !bound;
  const Hints hints(looks ? slices : std::vector<ObjectPtr>(), core_.zone, core_.settings.node);
  std::size_t near = 0, missing = 0;
  std::unordered_set<std::string> seen;
  for (auto& e : out.endpoints) seen.insert(e.address + " " + std::to_string(e.port));
  auto collect = [&](bool leaving, bool report) {
    for (const ObjectPtr& object : slices) {
      auto& slice = std::get<EndpointSlice>(*object);
      if (slice.address_type == "FQDN") {
        if (report && by == PortBy::listed)
          entries.push_back({reference(*object),
                             {model::Severity::error, "UnsupportedAddressType", "addressType", "FQDN", "IPv4 or IPv6",
                              "its endpoints are not used; name hosts with an ExternalName Service"}});
        continue;
      }
      auto number = port_in(slice, port, by);
      if (number == 0) continue;
      Sieve sieve(says, allowed_destinations(), core_.own.get(), c.key->transport());
      for (auto& e : slice.endpoints) {
        if (!leaving && hints.missing(e)) missing += e.addresses.size();
        if (leaving ? !(e.serving && e.terminating && !e.ready) : !e.ready) continue;
        for (auto& address : e.addresses) {
          more = more || out.endpoints.size() >= most;
          if (more) break;
          if (!is_ipv4(address) && !is_ipv6(address)) {
            if (report)
              entries.push_back({reference(*object),
                                 {model::Severity::error, "InvalidAddress", "endpoints.addresses", shorten(address),
                                  "an IPv4 or IPv6 address", "this endpoint is not used"}});
            continue;
          }
          if (seen.insert(address + " " + std::to_string(number)).second && sieve.takes(address, number))
            out.endpoints.push_back({address, number, true, leaving, hints.far(e), e.pod}),
                near += hints.far(e) ? 0 : 1;
        }
      }
      out.refused += sieve.refused();
      sieve.report(reference(*object), "endpoints.addresses", "", "nothing is sent there", entries);
      if (refused.empty()) refused = sieve.text();
    }
  };
  auto before = out.endpoints.size();
  collect(false, true);
  if (out.endpoints.size() == before) collect(true, false);
  if (hints.count()) out.near_enough = static_cast<std::uint32_t>((near + missing) * options.topology_overflow_percent);
  if (const auto* service = core_.objects.find<Service>(c.key->service_key()); more && service)
    entries.push_back({reference(*service),
                       {model::Severity::warning, "TooMany", "spec.ports", c.key->port,
                        "at most " + std::to_string(most) + " endpoints of a port" +
                            (most < kMostEndpoints ? ", where routes lead to so many ports of the Service" : ""),
                        "the first " + std::to_string(most) + " in the order of the slices are used"}});
  return refused;
}

}  // namespace sluice::control
