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
            out.endpoints.push_back({address, number, true, leaving, e.pod});
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
  if (const auto* service = core_.objects.find<Service>(c.key->service_key()); more && service)
    entries.push_back({reference(*service),
                       {model::Severity::warning, "TooMany", "spec.ports", c.key->port,
                        "at most " + std::to_string(most) + " endpoints of a port" +
                            (most < kMostEndpoints ? ", where routes lead to so many ports of the Service" : ""),
                        "the first " + std::to_string(most) + " in the order of the slices are used"}});
  return refused;
}

}  // namespace sluice::control
