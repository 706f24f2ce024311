#pragma once
#include <string>

#include "base/clock.h"
#include "base/log.h"

namespace sluice::control::cluster {

// Tells the operator that something does not work, at most once a minute; in between it is for debugging alone.
class Complaint {
 public:
  static constexpr auto kEach = std::chrono::seconds(60);

  void say(const std::string& what) {
    const Instant now = SystemClock().now();
    if (now - said_ < kEach) return log::debug("{}", what);
    said_ = now;
    log::warn("{}", what);
  }

 private:
  Instant said_{};
};

}  // namespace sluice::control::cluster
