#pragma once
#include "bare_context.h"
#include "data/server/worker.h"

// A worker without listeners that has nothing to serve yet, whose clock the test moves.
namespace sluice::data {

struct BareWorker {
  FakeClock clock;
  MemoryFigures figures;
  Overload overload{clock, [this] { return figures; }, 1};
  Shared shared{overload};
  WorkerStats stats;
  Silent recorder;
  Worker worker{0, clock, shared, stats, recorder, bare_snapshot()};
};

}  // namespace sluice::data
