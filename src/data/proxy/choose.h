#pragma once

namespace sluice::data {

struct Exchange;

// Which Backend of the route takes the request. Before: prepare() has matched it, and pinned both Clusters; the route
// has a Choice. After: `cluster`, `available` and `outside` are the chosen one's, which all attempts stay with.
void choose(Exchange& ex);

}  // namespace sluice::data
