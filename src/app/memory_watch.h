#pragma once
#include <chrono>

#include "data/runtime/overload.h"
#include "model/options.h"
#include "ops/metrics/controller_state.h"

namespace sluice::app {

data::RungThresholds overload_thresholds(const model::Options& o);

// Looks at the memory when no worker has a reason to, and says what became of it: at most a line a second. One thread.
class MemoryWatch {
 public:
  explicit MemoryWatch(data::Overload& overload) : overload_(overload) {}
  void look();
  int milliseconds() const;  // until the next look
  ops::ControllerState::Memory state() const;

 private:
  data::Overload& overload_;
  data::Rung said_ = data::Rung::calm;
  std::chrono::steady_clock::time_point next_line_{};
};

}  // namespace sluice::app
