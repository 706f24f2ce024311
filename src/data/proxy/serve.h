#pragma once
#include "base/result.h"
#include "data/exchange/exchange.h"
#include "net/io/task.h"

namespace sluice::data {

// The story of a request, top to bottom. `ex` holds a parsed head; afterwards the response was sent, or what was sent
// of it was given up (ex.close_after says whether the connection may go on), and the exchange is recorded.
net::Task<void> serve(Exchange& ex);

// Attempts until one succeeds or the retry rule says no. On error nothing was answered, or what was is given up. The
// exchange has a Cluster, settings and options.
net::Task<Status> attempts(Exchange& ex);

// Answers a request that never became one (its head was refused) and records it.
net::Task<void> refuse(Exchange& ex, Error why);

}  // namespace sluice::data
