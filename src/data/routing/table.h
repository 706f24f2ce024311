#pragma once
#include <memory>
#include <string>
#include <vector>

#include "data/routing/host_routes.h"
#include "data/routing/route_table.h"

// How a RouteTable is made from the one before. Control thread.
namespace sluice::data {

struct HostChange {
  std::string name;                          // model::Host::name
  std::shared_ptr<const HostRoutes> routes;  // null: the host is gone
};

// `previous` (null: empty) with the changes, each host named once. Hosts lie in 256 shards that tables share: the cost
// is one copied shard for each shard that has a change, and the list of shards.
std::shared_ptr<const RouteTable> make_route_table(const RouteTable* previous, const std::vector<HostChange>& changes);

// How many of the 256 shards two tables do not share (what a change has cost).
std::size_t different_shards(const RouteTable& a, const RouteTable& b);

}  // namespace sluice::data
