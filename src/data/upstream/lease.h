#pragma once
#include <memory>

#include "base/result.h"
#include "data/exchange/exchange.h"
#include "data/exchange/streams.h"
#include "data/runtime/cluster.h"
#include "net/io/task.h"

namespace sluice::data {

// What pods of this exchange's route speak.
model::BackendProtocol upstream_protocol(const Exchange& ex) noexcept;

// An Upstream at `endpoint`: a connection or, where pods speak HTTP/2, a stream of one; reused or new, then connected
// and shaken hands with. `fresh`: not a reused connection of HTTP/1. What connecting took goes into ex.attempt.
net::Task<Result<Lease>> lease(WorkerContext& worker, Exchange& ex, std::shared_ptr<EndpointRuntime> endpoint,
                               bool fresh);

}  // namespace sluice::data
