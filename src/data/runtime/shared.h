#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/blocking_pool.h"
#include "data/routing/hash.h"
#include "data/runtime/compression_memory.h"
#include "data/runtime/credentials.h"
#include "data/runtime/health.h"
#include "data/runtime/limit_table.h"
#include "data/runtime/limits.h"
#include "data/runtime/nonces.h"
#include "data/runtime/overload.h"
#include "data/runtime/passing_hellos.h"
#include "data/runtime/spool.h"
#include "model/options.h"

namespace sluice::data {

// What the workers of a process have in common.
struct Shared {
  explicit Shared(Overload& o) : overload(o) {}
  Overload& overload;
  std::atomic<bool> draining{false};
  ConnectionLimits limits;
  LimitTable client_limits;                       // what clients have asked of Ingresses that limit it
  std::uint32_t descriptor_connections = 50'000;  // what the descriptor limit allows when max-connections is 0
  std::uint32_t max_connections(const model::Options& o) const noexcept {
    return o.max_connections ? o.max_connections : descriptor_connections;
  }
  bool passthrough = false;               // --enable-ssl-passthrough: ClientHellos are looked at
  std::unique_ptr<PassingHellos> hellos;  // with passthrough
  BlockingPool* blocking = nullptr;       // stopped before the workers end; null: what blocks is refused
  HealthTable health;
  unsigned workers = 1;  // how many there are
  Credentials credentials;
  Nonces nonces;
  Spool spool;
  CompressionMemory compression;
  std::function<std::string()> status_page;  // what /nginx_status shows, any thread; empty: nobody sees anything
  HashSeed loop_seed = random_seed();        // of the marks by which a route recognises what comes back
};

}  // namespace sluice::data
