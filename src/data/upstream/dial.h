#pragma once
#include <memory>
#include <string>

#include "base/result.h"
#include "data/runtime/pool.h"
#include "net/io/task.h"
#include "net/stream.h"

// New connections to pods.
namespace sluice::data {

inline constexpr Error kUnwatched{Fault::overload, Whose::internal, Retry::no, 503, "cannot watch another descriptor"};

// Would it reach a listener of this process? Endpoints are judged before they get here (control/destination.h); whoever
// finds another way meets this. It costs a look at the port unless that is one of ours.
bool leads_to_us(WorkerContext& worker, const EndpointRuntime& endpoint, model::Transport by = model::Transport::tcp);
// A descriptor whose connect has begun; none to an endpoint that takes no requests (kPodGoes). Whoever waits for it is
// known to the endpoint by a Connecting. Idle connections are given up where descriptors lack.
Result<int> open_socket(WorkerContext& worker, const EndpointRuntime& endpoint);
// Until `stream` may carry HTTP: connected, and hands shaken for TLS. Errors are the pod's (whose) and allow another
// attempt, but for settings that cannot be used; `note` gets particulars for the operator.
net::Task<Status> dial(WorkerContext& worker, net::Stream& stream, Dial how, Instant until, std::string& note);

}  // namespace sluice::data
