#pragma once
#include <cstdint>

#include "base/clock.h"
#include "net/duplex.h"
#include "net/io/task.h"

namespace sluice::data {

class WorkerContext;

// What went through a tunnel, in bytes.
struct Carried {
  std::uint64_t up = 0, down = 0;                // client to pod, pod to client
  bool client_broke = false, pod_broke = false;  // who ended it by a reset, or without an answer of its kernel
};

struct TunnelLimits {
  Duration idle;      // without a byte
  Duration lifetime;  // in all, however busy; 0: none
  // Without a byte once one side has ended, as `idle` at most.
  Duration last_words = std::chrono::seconds(10);
};

// Bytes both ways until both sides have ended, one breaks (then both are cancelled), or a limit is reached.
// The end of one side is passed on, and the other may say its last words.
net::Task<void> carry(WorkerContext& worker, net::Duplex& client, net::Duplex& pod, TunnelLimits limits,
                      Carried& carried);

}  // namespace sluice::data
