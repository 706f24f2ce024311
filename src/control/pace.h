#pragma once
#include <algorithm>
#include <cstddef>

#include "base/clock.h"

namespace sluice::control {

// When the next batch of changes may leave. The first change after a pause goes at once. Later ones are collected: for
// kShortest, or ten times what the last batch cost if that is more, up to kUsual. While more than kRate changes a
// second come, each pause is three times the one before, up to kLongest: a burst is compiled a handful of times.
class Pace {
 public:
  static constexpr Duration kShortest = std::chrono::milliseconds(50), kUsual = std::chrono::milliseconds(200);
  static constexpr Duration kLongest = std::chrono::seconds(1);
  static constexpr unsigned kRate = 100;

  // The earliest time for the next batch.
  Instant next() const noexcept { return next_; }
  // A batch of `changes` objects has left; it was worked on from `begun` to `now`.
  void left(Instant begun, Instant now, std::size_t changes) noexcept {
    const Duration collected = std::max(begun - last_, kShortest);
    const bool burst = std::chrono::seconds(changes) > collected * kRate;
    burst_ = burst ? std::clamp(burst_ * 3, kShortest, kLongest) : Duration(0);
    next_ = now + std::max(std::clamp((now - begun) * 10, kShortest, kUsual), burst_);
    last_ = begun;
  }

 private:
  Instant next_{}, last_{};
  Duration burst_{0};  // the pause that a burst asks for; 0: there is none
};

}  // namespace sluice::control
