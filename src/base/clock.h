#pragma once
#include <chrono>

// Time. Every deadline uses the monotonic clock; wall time is for Date headers, certificates and logs only.
namespace sluice {

using Duration = std::chrono::nanoseconds;
using Instant = std::chrono::time_point<std::chrono::steady_clock, Duration>;

// A source of monotonic time. Implementations are used by one thread at a time.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant now() const noexcept = 0;
};

class SystemClock final : public Clock {
 public:
  Instant now() const noexcept override { return std::chrono::steady_clock::now(); }
};

// For tests: stands still until it is told to move.
class FakeClock final : public Clock {
 public:
  Instant now() const noexcept override { return now_; }
  void advance(Duration by) noexcept { now_ += by; }

 private:
  Instant now_{std::chrono::seconds(1'000'000)};
};

}  // namespace sluice
