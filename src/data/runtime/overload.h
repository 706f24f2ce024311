#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>

#include "base/clock.h"
#include "base/memory_gauge.h"

// The ladder of overload: what is given up, and in which order, when the memory of this process comes near its limit.
// docs/limits.md lists the rungs.
namespace sluice::data {

enum class Rung : std::uint8_t {
  calm,
  save,    // nothing is kept in reserve: no keep-alive, idle connections end sooner, spare memory goes back
  shed,    // and clients that hold memory and take or send nothing are reset, those first that hold most for longest
  refuse,  // and new requests get 503
  stop     // and no connection is accepted
};
inline constexpr std::size_t kRungs = 4;  // those above calm

// From how much of the limit on a rung holds, in thousandths; 0: never. One for each rung above calm.
using RungThresholds = std::array<unsigned, kRungs>;

// Which rung holds: up at once, down when the figure has been below the threshold by a margin for a while.
class Ladder {
 public:
  static constexpr unsigned kMargin = 30;  // thousandths
  Rung step(unsigned share, const RungThresholds& thresholds, Instant now) noexcept;

 private:
  Rung rung_ = Rung::calm;
  Instant above_{};  // when the present rung was last called for
};

// The state of the process: one for all workers. Any thread, unless said.
class Overload {
 public:
  // `read`: figures as MemoryGauge gives them, called by one thread at a time. `workers`: how many look.
  Overload(const Clock& clock, std::function<MemoryFigures()> read, unsigned workers);
  Overload(const Overload&) = delete;
  Overload& operator=(const Overload&) = delete;

  Rung rung() const noexcept { return rung_.load(std::memory_order_relaxed); }
  bool at_least(Rung r) const noexcept { return rung() >= r; }
  // Bytes above what `shed` aims at, as of the last look.
  std::uint64_t excess() const noexcept { return excess_.load(std::memory_order_relaxed); }
  MemoryFigures figures() const noexcept {
    return {used_.load(std::memory_order_relaxed), limit_.load(std::memory_order_relaxed)};
  }
  // Reads the figures and decides. Some 20 us; at once when another thread is at it.
  void look() noexcept;
  // Bytes that a worker's slow clients hold, more (or fewer) than in its round before. Returns those of all workers.
  std::int64_t report_slow(std::int64_t more) noexcept {
    return slow_.fetch_add(more, std::memory_order_relaxed) + more;
  }
  // By so many bytes a worker may grow before it looks: a fraction of what is left to the next rung.
  std::uint64_t step() const noexcept { return step_.load(std::memory_order_relaxed); }
  // How soon somebody should look who has no reason to.
  Duration interval() const noexcept { return near_.load(std::memory_order_relaxed) ? kNear : kFar; }

  void set_thresholds(const RungThresholds& thresholds) noexcept;
  // Before the workers run: called by the thread that looks, whenever the rung changes.
  void on_change(std::function<void(Rung)> call) { on_change_ = std::move(call); }
  // The highest rung since the last call. One thread.
  Rung take_highest() noexcept { return highest_.exchange(rung(), std::memory_order_relaxed); }
  unsigned workers() const noexcept { return workers_; }

 private:
  static constexpr Duration kNear = std::chrono::milliseconds(100), kFar = std::chrono::seconds(1);
  void decide(const MemoryFigures& m, Instant now);
  const Clock& clock_;
  std::function<MemoryFigures()> read_;
  std::function<void(Rung)> on_change_;
  const unsigned workers_;
  std::array<std::atomic<unsigned>, kRungs> thresholds_;
  std::atomic_flag looking_ = ATOMIC_FLAG_INIT;
  Ladder ladder_;  // of the thread that looks
  alignas(64) std::atomic<Rung> rung_{Rung::calm};
  std::atomic<Rung> highest_{Rung::calm};
  std::atomic<bool> near_{false};
  std::atomic<std::int64_t> slow_{0};
  std::atomic<std::uint64_t> used_{0}, limit_{0}, excess_{0}, step_;
};

}  // namespace sluice::data
