#pragma once
#include <algorithm>

#include "base/clock.h"
#include "net/io/loop.h"

namespace sluice::data {

// How long what is ready waits for its worker, as of late: the average over some tenths of a second, by the time that
// turns took and not by their number. One turn that takes long makes no more of it than a quarter. Its worker's thread.
class LagMeter {
 public:
  Duration lag() const noexcept { return Duration(static_cast<Duration::rep>(lag_)); }
  void turn(const net::Turn& turn) noexcept {
    // Between two turns it had nothing to do.
    move(0, static_cast<double>((turn.begun - ended_).count()), 1);
    move(static_cast<double>(turn.waited.count()), static_cast<double>(turn.took.count()), kMost);
    ended_ = turn.begun + turn.took;
  }

 private:
  void move(double to, double time, double most) noexcept {
    lag_ += (to - lag_) * std::min(std::max(time, 0.0) / kSpan, most);
  }
  static constexpr double kSpan = 2e8, kMost = 0.25;  // nanoseconds; a part
  double lag_ = 0;                                    // nanoseconds
  Instant ended_{};
};

}  // namespace sluice::data
