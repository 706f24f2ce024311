#pragma once
#include <cstdint>

#include "base/clock.h"
#include "net/duplex.h"
#include "net/io/task.h"

namespace sluice::data {

class Worker;

// What went through a tunnel, in bytes.
struct Carried {
  std::uint64_t up = 0, down = 0;  // client to pod, pod to client
};

struct TunnelLimits {
  Duration idle;      // without a byte
  Duration lifetime;  // in all, however busy; 0: none
};

// Bytes both ways until both sides have ended, one breaks (then both are cancelled), or a limit is reached.
// The end of one side is passed on, and the other may say its last words: no more than ten seconds without a byte.
net::Task<void> carry(Worker& worker, net::Duplex& client, net::Duplex& pod, TunnelLimits limits, Carried& carried);

}  // namespace sluice::data
