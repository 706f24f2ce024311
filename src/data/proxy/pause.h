#pragma once
#include "data/exchange/exchange.h"
#include "net/io/loop.h"
#include "net/io/task.h"

namespace sluice::data {

// A request waits until then. Errors: what ended it meanwhile: the client left, its deadline passed, it was given up.
net::Task<Status> pause(Exchange& ex, Instant until);

}  // namespace sluice::data
