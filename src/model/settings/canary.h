#pragma once
#include <cstdint>
#include <string>

#include "base/text.h"

namespace sluice::model {

// Which requests a canary takes from its main Ingress (canary-*): the first of these that has something to say counts.
struct CanaryRule {
  std::string header{};      // its name; empty: none is looked at
  std::string value{};       // of the header, the one that is taken; empty: `pattern` or "always" and "never" count
  std::string pattern{};     // a regular expression for the header's value, case counts; empty: none
  std::string cookie{};      // its name: "always" and "never" count; empty: none is looked at
  bool sessions = true;      // takes part in those of the main Ingress (Affinity)
  std::int64_t weight = 0;   // of so many in `total` requests of which nothing else decides; below 1: of none
  std::int64_t total = 100;  // 100 at least
  bool operator==(const CanaryRule&) const = default;
};

// An Ingress of the route's namespace that takes some of the route's requests to a Cluster of its own (Role::canary).
struct Canary {
  CanaryRule rule;
  Text ingress, service, service_port;
  Text upstream_name;  // of its Cluster
  bool operator==(const Canary&) const = default;
};

}  // namespace sluice::model
