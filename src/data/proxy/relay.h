#pragma once
#include "base/result.h"
#include "data/exchange/exchange.h"
#include "data/exchange/streams.h"
#include "net/io/task.h"

namespace sluice::data {

// One attempt over one upstream stream: request up, response down, both at once where there is a body to send. One
// fork, one join. Gives the lease back when both messages ended cleanly; an Error whose retry allows it leaves the
// client untouched (nothing of a response was started).
net::Task<Status> relay(Exchange& ex, Lease lease, Attempt& attempt);

}  // namespace sluice::data
