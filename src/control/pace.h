#pragma once
#include <algorithm>
#include <cstddef>

#include "base/clock.h"

namespace sluice::control {

// When the next batch of changes may leave. The first change after a pause goes at once. Later ones are collected: for
// kShortest, or ten times what the last batch cost if that is more, up to kUsual. While more than kRate changes a
// second come, each pause is three times the one before, up to kLongest: a burst is compiled a handful of times, also
// one that falters for less than kMostOwed.
class Pace {
 public:
  static constexpr Duration kShortest = std::chrono::milliseconds(50), kUsual = std::chrono::milliseconds(200);
  static constexpr Duration kLongest = std::chrono::seconds(1);
  static constexpr unsigned kRate = 100;
  static constexpr Duration kMostOwed = std::chrono::milliseconds(500);

  // The earliest time for the next batch.
  Instant next() const noexcept { return next_; }
  // A batch of `changes` objects has left; it was worked on from `begun` to `now`.
  void left(Instant begun, Instant now, std::size_t changes) noexcept {
    constexpr Duration kEach = Duration(std::chrono::seconds(1)) / kRate;
    owed_ = std::clamp(owed_ + kEach * static_cast<Duration::rep>(changes) - (begun - last_), Duration(0), kMostOwed);
    burst_ = owed_ > kShortest ? std::clamp(burst_ * 3, kShortest, kLongest) : Duration(0);
    next_ = now + std::max(std::clamp((now - begun) * 10, kShortest, kUsual), burst_);
    last_ = begun;
  }

 private:
  Instant next_{}, last_{};
  Duration owed_{0};   // by how long the changes so far came earlier than one at a time at kRate
  Duration burst_{0};  // the pause that a burst asks for; 0: there is none
};

}  // namespace sluice::control
