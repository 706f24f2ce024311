#pragma once
#include <array>
#include <cstdint>

#include "base/clock.h"

namespace sluice::data {

// What may be asked again: a share of the requests of the last ten seconds, and so many a second in any case, so that
// an outage is not multiplied by those who try again (GEP-3388 has these terms and defaults). One Cluster of one
// worker, which has its part of what may be in any case; its thread.
class RetryBudget {
 public:
  static constexpr std::uint32_t kSeconds = 10;
  // `workers`: that share what may be in any case; 0 is one.
  explicit RetryBudget(unsigned workers) noexcept : workers_(workers == 0 ? 1 : workers) {}
  void asked(Instant now) noexcept {
    turn(now);
    ++slots_[at_].requests;
    ++requests_;
  }
  // True: one more may be, and is counted.
  bool take(Instant now, std::uint32_t per_cent, std::uint32_t least_a_second) noexcept {
    turn(now);
    const std::uint64_t share = std::uint64_t{requests_} * per_cent / 100;
    const std::uint64_t least = (std::uint64_t{least_a_second} * kSeconds + workers_ - 1) / workers_;
    if (retries_ >= (share > least ? share : least)) return false;
    ++slots_[at_].retries;
    ++retries_;
    return true;
  }

 private:
  struct Slot {
    std::uint32_t requests = 0, retries = 0;
  };
  void turn(Instant now) noexcept {
    const auto second = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
    for (std::uint32_t steps = 0; second_ < second && steps < kSeconds; ++steps) {
      ++second_;
      at_ = (at_ + 1) % kSeconds;
      requests_ -= slots_[at_].requests;
      retries_ -= slots_[at_].retries;
      slots_[at_] = {};
    }
    if (second_ < second) second_ = second;
  }
  const std::uint32_t workers_;
  std::array<Slot, kSeconds> slots_{};
  std::uint32_t requests_ = 0, retries_ = 0;  // of all slots
  std::size_t at_ = 0;
  std::int64_t second_ = 0;
};

}  // namespace sluice::data
