#pragma once
#include <algorithm>

#include "base/clock.h"

namespace sluice {

// `burst` at once, then one each `each`; full at the beginning. The caller gives the same two each time.
class TokenBucket {
 public:
  // How long until one can be spent: 0 when one can be now.
  Duration wait(Instant now, unsigned burst, Duration each) noexcept {
    const std::chrono::duration<double> one = each;
    spent_ = std::max(0.0, spent_ - (now - at_) / one);
    at_ = now;
    const double lacks = spent_ + 1 - burst;
    return lacks > 0 ? std::chrono::ceil<Duration>(lacks * one) : Duration(0);
  }
  void spend() noexcept { spent_ += 1; }

 private:
  double spent_ = 0;  // and not back yet
  Instant at_{};
};

}  // namespace sluice
