#pragma once

namespace sluice::data {

struct Exchange;

// Which Backend of the route takes the request. Before: prepare() has matched it, and pinned both Clusters; the route
// has a Choice. After: `cluster`, `available` and `outside` are the chosen one's, which all attempts stay with.
void choose(Exchange& ex);
// The canary that was chosen has no pods any more, and nothing of the request was sent: it stays with the main Ingress,
// as one that comes now does. False: there is no canary, or the main Ingress has nobody either.
bool choose_again(Exchange& ex) noexcept;

}  // namespace sluice::data
