#pragma once
#include <algorithm>

#include "base/clock.h"
#include "net/io/loop.h"

namespace sluice::data {

// How long what is ready waits for its worker, as of late: the average over some tenths of a second, by the time that
// turns took and not by their number. One turn that takes long makes no more of it than a quarter. Turns that are short
// are summed up for a millisecond, as there may be two of them for each request. Its worker's thread.
class LagMeter {
 public:
  Duration lag() const noexcept { return Duration(static_cast<Duration::rep>(lag_)); }
  // True where lag() is new.
  bool turn(const net::Turn& turn) noexcept {
    const Instant ended = turn.begun + turn.took;
    busy_ += turn.took;
    waited_ += static_cast<double>(turn.waited.count()) * static_cast<double>(turn.took.count());
    if (ended - since_ < kSum) return false;
    // Between two turns it had nothing to do.
    move(0, static_cast<double>((ended - since_ - busy_).count()), 1);
    if (const auto busy = static_cast<double>(busy_.count()); busy > 0) move(waited_ / busy, busy, kMost);
    since_ = ended;
    busy_ = {};
    waited_ = 0;
    return true;
  }

 private:
  void move(double to, double time, double most) noexcept {
    lag_ += (to - lag_) * std::min(std::max(time, 0.0) / kSpan, most);
  }
  static constexpr Duration kSum = std::chrono::milliseconds(1);
  static constexpr double kSpan = 2e8, kMost = 0.25;  // nanoseconds; a part
  double lag_ = 0;                                    // nanoseconds
  // Since when turns are summed up, what they took, and the sum of what was waited in each, by what it took.
  Instant since_{};
  Duration busy_{};
  double waited_ = 0;
};

}  // namespace sluice::data
