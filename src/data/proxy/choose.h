#pragma once

namespace sluice::data {

struct Exchange;

// Which Backend of the route takes the request. Before: prepare() has matched it, and pinned both Clusters; the route
// has a Choice. After: `cluster`, `available` and `outside` are the chosen one's, which all attempts stay with.
void choose(Exchange& ex);
// A Service without endpoints has another that answers for it: default-backend, where that has some. False: it has
// none.
bool choose_stand_in(Exchange& ex) noexcept;
// The one that was chosen has no pods any more, and nothing of the request was sent: it goes where one that comes now
// does, from a canary to the main Ingress, and to a stand-in where there are no pods either. False: there is nobody.
bool choose_again(Exchange& ex);

}  // namespace sluice::data
