#pragma once
#include "base/result.h"
#include "data/proxy/exchange.h"
#include "net/io/task.h"

namespace sluice::data {

// After the pod's 101: passes it on, then bytes both ways until either side ends or nothing moved for
// tunnel-idle-timeout.
net::Task<Status> tunnel(Exchange& ex, Upstream& up);

}  // namespace sluice::data
