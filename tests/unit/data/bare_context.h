#pragma once
#include <memory>
#include <utility>

#include "base/clock.h"
#include "data/runtime/worker_context.h"
#include "data/snapshot/streams.h"

// What a request needs of its thread, without a Worker: no listener, no client; the test moves the clock.
namespace sluice::data {

struct Silent final : Recorder {
  void finished(const ExchangeRecord&) noexcept override {}
};

// With the options, and nothing to serve.
inline std::shared_ptr<Snapshot> bare_snapshot(model::Options options = {}) {
  auto out = std::make_shared<Snapshot>();
  out->options = std::make_shared<const model::Options>(std::move(options));
  out->streams = std::make_shared<const StreamTable>();
  return out;
}

// `Of`: the WorkerContext, or the Worker that it is a part of.
template <class Of>
struct Bare {
  FakeClock clock;
  MemoryFigures figures;
  Overload overload{clock, [this] { return figures; }, 1};
  Shared shared{overload};
  WorkerStats stats;
  Silent recorder;
  Of worker{0, clock, shared, stats, recorder, bare_snapshot()};
};
using BareContext = Bare<WorkerContext>;

}  // namespace sluice::data
