#pragma once
#include "base/result.h"
#include "data/exchange/exchange.h"
#include "data/exchange/streams.h"
#include "data/runtime/cluster.h"
#include "net/io/task.h"

// A second try beside the first one (hedge-delay), as gRPC has it by hedgingDelay and Envoy by
// hedge_on_per_try_timeout.
namespace sluice::data {

// May there be one beside the attempt that begins now? What is known only once the delay is over is asked then.
bool may_be_hedged(const Exchange& ex) noexcept;

// As lease(), where may_be_hedged(). The Lease is of an Upstream that is the first one's, at the endpoint of
// `in_flight`, until another endpoint has answered sooner; from then on it is that one's. When read_head() returns, or
// the lease has failed, one is left, the other one was cancelled and its outcome was noted: ex.attempt, ex.asked and
// `in_flight`, which outlives the Lease, are of the one that is left.
net::Task<Result<Lease>> lease_hedged(Exchange& ex, AttemptInFlight& in_flight, bool fresh);

}  // namespace sluice::data
