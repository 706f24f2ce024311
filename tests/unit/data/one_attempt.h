#pragma once
#include <memory>
#include <optional>
#include <utility>

#include "data/proxy/relay.h"
#include "data/upstream/lease.h"

namespace sluice::data {

// One attempt at one endpoint, without the retries of attempts(): a lease, and the relay over it. `outcome` is set when
// it is over.
inline net::Task<void> attempt_once(Exchange& ex, std::shared_ptr<EndpointRuntime> endpoint, Attempt& attempt,
                                    std::optional<Status>& outcome) {
  outcome.reset();
  ex.attempt = &attempt;
  net::Task<Result<Lease>> leasing = lease(ex.worker, ex, std::move(endpoint), false);
  Result<Lease> held = co_await leasing;
  if (!held) {
    outcome = std::unexpected(held.error());
    co_return;
  }
  net::Task<Status> relaying = relay(ex, std::move(*held));
  Status done = co_await relaying;
  outcome = done;
}

}  // namespace sluice::data
