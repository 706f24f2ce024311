#pragma once
#include "base/result.h"
#include "data/exchange/exchange.h"
#include "net/io/task.h"

namespace sluice::data {

// Does the 101 in ex.memory.response switch to what was offered? RFC 9110 section 7.8 forbids a pod to choose anything
// else, and section 15.2.2 demands that it says what it chose: behind a 101 bytes are opaque, and a pod that was
// offered a WebSocket must not be reached by another protocol. The error is a 502.
Status switched_as_offered(const Exchange& ex);

// After the pod's 101: passes it on, then bytes both ways until either side ends or nothing moved for
// tunnel-idle-timeout.
net::Task<Status> tunnel(Exchange& ex, Upstream& up);

}  // namespace sluice::data
