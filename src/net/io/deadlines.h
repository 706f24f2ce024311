#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

#include "base/clock.h"

// One coarse wheel of deadlines for a worker: arming is a list insertion. A deadline fires at most one tick (100 ms)
// late and never early.
namespace sluice::net {

// The deadline of who has no patience at all. A Stream does not wait then. In the wheel it fires in the turn after that
// in which it was armed, once what has come by then was looked at: what is sent at the end of a turn has left.
inline constexpr Instant kAtOnce = Instant::min();
// Of who waits for `patience` from now on. As with nginx's timers, none is none, and not for ever.
constexpr Instant due_in(Instant now, Duration patience) noexcept {
  return patience.count() == 0 ? kAtOnce : now + patience;
}

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

  void arm(Deadline& d, Instant at) noexcept;  // kAtOnce: see there
  // Fires what is due. Callbacks may arm and disarm.
  void advance(Instant now);
  // Before each poll: how long it may sleep: until the next tick that holds something; a second when there is nothing
  // near; not at all where something was armed with kAtOnce, which the next advance() fires.
  Duration next(Instant now) noexcept;

 private:
  static constexpr std::size_t kSlots = 1024;
  struct Head final : Deadline {
    void expired() override {}
  };
  static void insert(Deadline& d, Head& head) noexcept;
  static void take(Head& from, Head& to) noexcept;  // all of it, to an empty one
  static void fire(Head& due);
  std::uint64_t tick_of(Instant at) const noexcept { return static_cast<std::uint64_t>((at - start_) / kTick); }
  Instant start_;
  std::uint64_t current_ = 0;      // ticks that were fired
  std::uint64_t clear_until_ = 0;  // between the two no tick holds anything
  std::array<Head, kSlots> slots_;
  Head at_once_, polled_;  // armed with kAtOnce since the last next(); before it
};

}  // namespace sluice::net
