#pragma once
#include <array>
#include <chrono>

#include "data/runtime/overload.h"
#include "model/options.h"
#include "ops/metrics/controller_state.h"

namespace sluice::app {

data::RungThresholds overload_thresholds(const model::Options& o);

// Looks at what may run short when no worker has a reason to, and says what became of it: of each source at most a line
// a second. One thread.
class OverloadWatch {
 public:
  explicit OverloadWatch(data::Overload& overload) : overload_(overload) {}
  void look();
  int milliseconds() const;  // until the next look
  void show(ops::ControllerState& state) const;

 private:
  void say(data::Source source, std::chrono::steady_clock::time_point now);
  struct Said {
    data::Rung rung = data::Rung::calm;
    std::chrono::steady_clock::time_point next_line{};
  };
  data::Overload& overload_;
  std::array<Said, data::kSources> said_{};
};

}  // namespace sluice::app
