#pragma once
#include "base/clock.h"
#include "data/server/overload.h"
#include "data/server/worker.h"
#include "data/snapshot/snapshot.h"

// A worker without listeners that serves nothing, whose clock the test moves.
namespace sluice::data {

struct Silent final : Recorder {
  void finished(const ExchangeRecord&) noexcept override {}
};

struct BareWorker {
  FakeClock clock;
  Overload overload{clock, [] { return MemoryFigures{}; }, 1};
  Shared shared{overload};
  WorkerStats stats;
  Silent recorder;
  Compiler compiler;
  Worker worker{0, clock, shared, stats, recorder};

  BareWorker() {
    model::Change first;
    first.everything = true;
    worker.apply(compiler.compile(model::Model{}, first), nullptr);
  }
};

}  // namespace sluice::data
