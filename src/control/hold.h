#pragma once
#include "base/clock.h"

namespace sluice::control {

// How long changes wait for the Secrets and ConfigMaps that they name. The time is that of the first change that
// waits: whoever names others again and again holds up nobody for longer.
class Hold {
 public:
  static constexpr Duration kMost = std::chrono::seconds(1);

  // From then on nothing waits for an answer.
  Instant until() const noexcept { return until_; }
  // All that has changed is to leave; `asks`: some of it names what has not been asked for yet; `answered`: all that
  // was asked for is known. True: it waits. An answer that is there already is taken first.
  bool holds(bool asks, bool answered, Instant now) noexcept {
    if (asks && !holds_) until_ = now + kMost;
    return holds_ = now < until_ && (asks || !answered);
  }
  // What waited is given up.
  void reset() noexcept { holds_ = false; }

 private:
  Instant until_{};
  bool holds_ = false;
};

}  // namespace sluice::control
