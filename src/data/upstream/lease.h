#pragma once
#include <memory>
#include <optional>

#include "base/result.h"
#include "data/exchange/exchange.h"
#include "data/exchange/streams.h"
#include "data/runtime/cluster.h"
#include "net/io/task.h"

namespace sluice::data {

// Is it lease()'s: the endpoint has all its connections (upstream-max-connections), and none came in time, or too many
// wait already? Nothing was sent.
bool is_full(const Error& error) noexcept;

// What pods of this exchange's route speak.
model::BackendProtocol upstream_protocol(const Exchange& ex) noexcept;

// A connection to `endpoint` that lies idle and may be used at once; nothing: lease() has to be asked.
std::optional<Lease> lease_idle(WorkerContext& worker, const Exchange& ex, EndpointRuntime& endpoint);

// An Upstream at `endpoint`: a connection or, where pods speak HTTP/2, a stream of one; reused or new, then connected
// and shaken hands with. `fresh`: not a reused connection of HTTP/1. What connecting took goes into ex.attempt. For its
// turn at full endpoints a request waits proxy-connect-timeout, all of them together (ex.waited). kPodGoes: the
// endpoint takes no requests any more.
net::Task<Result<Lease>> lease(WorkerContext& worker, Exchange& ex, std::shared_ptr<EndpointRuntime> endpoint,
                               bool fresh);

}  // namespace sluice::data
