#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

#include "base/clock.h"

// One coarse wheel of deadlines for a worker: arming is a list insertion. A deadline fires at most one tick (100 ms)
// late and never early.
namespace sluice::net {

class DeadlineWheel;

// Embedded in what waits. Must be disarmed or destroyed before its owner's memory goes; destruction disarms.
class Deadline {
 public:
  Deadline() noexcept = default;
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;
  virtual ~Deadline() { disarm(); }
  virtual void expired() = 0;
  bool armed() const noexcept { return next_ != nullptr; }
  void disarm() noexcept {
    if (!next_) return;
    next_->prev_ = prev_;
    prev_->next_ = next_;
    next_ = prev_ = nullptr;
  }

 private:
  friend class DeadlineWheel;
  Deadline* next_ = nullptr;
  Deadline* prev_ = nullptr;
  Instant at_{};
};

class DeadlineWheel {
 public:
  static constexpr Duration kTick = std::chrono::milliseconds(100);
  explicit DeadlineWheel(Instant now);
  ~DeadlineWheel();
  DeadlineWheel(const DeadlineWheel&) = delete;
  DeadlineWheel& operator=(const DeadlineWheel&) = delete;

  void arm(Deadline& d, Instant at) noexcept;
  // Fires what is due. Callbacks may arm and disarm.
  void advance(Instant now);
  // How long a poll may sleep: until the next tick that holds something; a second when there is nothing near.
  Duration next(Instant now) const noexcept;

 private:
  static constexpr std::size_t kSlots = 1024;
  struct Head final : Deadline {
    void expired() override {}
  };
  std::uint64_t tick_of(Instant at) const noexcept { return static_cast<std::uint64_t>((at - start_) / kTick); }
  Instant start_;
  std::uint64_t current_ = 0;  // ticks that were fired
  std::array<Head, kSlots> slots_;
};

}  // namespace sluice::net
