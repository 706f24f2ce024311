#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/memory_gauge.h"

// The ladder of overload: what is given up, and in which order, when this process comes near one of its limits.
// docs/overload.md has the table.
namespace sluice::data {

enum class Rung : std::uint8_t {
  calm,
  save,    // nothing is kept in reserve: no keep-alive, idle connections end sooner, spare memory goes back
  shed,    // and clients that hold something and take or send nothing are reset, those first that hold most for longest
  low,     // and new requests of low priority get 503
  refuse,  // and those of normal priority
  stop     // and all of them, and no connection is accepted
};
inline constexpr std::size_t kRungs = 5;  // those above calm

// What makes a rung hold. lag: how far a worker is behind with what is ready; of each worker for itself.
enum class Source : std::uint8_t { memory, descriptors, connections, lag };
inline constexpr std::size_t kSources = 4;
inline constexpr std::array<Source, kSources> kAllSources{Source::memory, Source::descriptors, Source::connections,
                                                          Source::lag};

// From how much of the limit on a rung holds, in thousandths; 0: never. One for each rung above calm.
using RungThresholds = std::array<unsigned, kRungs>;

// Which rungs hold, and by what.
class Held {
 public:
  constexpr Held() noexcept = default;
  constexpr explicit Held(std::uint32_t bits) noexcept : bits_(bits) {}
  constexpr void set(Source s, Rung r) noexcept { bits_ |= 1U << place(s, r); }
  constexpr bool by(Source s, Rung r) const noexcept { return (bits_ >> place(s, r)) & 1U; }
  // By whatever.
  constexpr bool any(Rung r) const noexcept { return bits_ & (0xFU << place(Source::memory, r)); }
  constexpr bool none() const noexcept { return bits_ == 0; }
  // Only what one of them says.
  constexpr Held of(Source s) const noexcept { return Held(bits_ & (kEachRung << static_cast<unsigned>(s))); }
  // Is there a priority whose requests are refused?
  constexpr bool refuses() const noexcept { return bits_ >= 1U << place(Source::memory, Rung::low); }
  // The highest one that holds.
  constexpr Rung highest() const noexcept {
    for (std::size_t r = kRungs; r > 0; --r)
      if (any(static_cast<Rung>(r))) return static_cast<Rung>(r);
    return Rung::calm;
  }
  constexpr std::uint32_t bits() const noexcept { return bits_; }
  constexpr Held operator|(Held o) const noexcept { return Held(bits_ | o.bits_); }
  constexpr bool operator==(const Held&) const noexcept = default;

 private:
  static constexpr unsigned kEachRung = 0x11111;
  // A rung's sources stand beside each other, the rungs in their order.
  static constexpr unsigned place(Source s, Rung r) noexcept {
    return (static_cast<unsigned>(r) - 1) * static_cast<unsigned>(kSources) + static_cast<unsigned>(s);
  }
  std::uint32_t bits_ = 0;
};

// What a source's figure is compared with: a rung holds from `up` on, and ends once the figure has been below `down`
// for a while.
struct Steps {
  RungThresholds up{}, down{};
};
// `options`: as the keys say. The others follow: who holds descriptors and connections, and a worker that is behind, is
// helped by other things than memory is (docs/overload.md says by which).
Steps steps_of(Source source, const RungThresholds& options) noexcept;

// The rungs of one source: up at once, down when the figure has been below for a while.
class Ladder {
 public:
  // The rungs that hold, as those of `source`.
  Held step(Source source, unsigned share, const Steps& steps, Instant now) noexcept;

 private:
  std::array<bool, kRungs> holds_{};
  std::array<Instant, kRungs> called_for_{};  // when one was last called for
};

// The state of the process: one for all workers. Any thread, unless said.
class Overload {
 public:
  // Descriptors of the process and connections of its clients.
  struct Counts {
    Usage descriptors, connections;
  };
  // `read`: figures as MemoryGauge gives them, called by one thread at a time. `workers`: how many look.
  Overload(const Clock& clock, std::function<MemoryFigures()> read, unsigned workers);
  Overload(const Overload&) = delete;
  Overload& operator=(const Overload&) = delete;

  // What the process has; a worker's own (WorkerContext::held) has its lag beside it.
  Held held() const noexcept { return Held(held_.load(std::memory_order_relaxed)); }
  Rung rung() const noexcept { return held().highest(); }
  // Bytes above what `shed` aims at, as of the last look.
  std::uint64_t excess() const noexcept { return excess_.load(std::memory_order_relaxed); }
  // Likewise, clients: while there are too many of them, or too many descriptors.
  std::uint64_t excess_clients() const noexcept { return excess_clients_.load(std::memory_order_relaxed); }
  MemoryFigures figures() const noexcept { return memory_.load(); }
  Counts counts() const noexcept { return {descriptors_.load(), connections_.load()}; }
  // Reads the figures and decides. Some 20 us; false, at once, when another thread is at it.
  bool look() noexcept;
  // Bytes that a worker's slow clients hold, more (or fewer) than in its round before. Returns those of all workers.
  std::int64_t report_slow(std::int64_t more) noexcept {
    return slow_.fetch_add(more, std::memory_order_relaxed) + more;
  }
  // By so many bytes a worker may grow before it looks: a fraction of what is left to the next rung.
  std::uint64_t step() const noexcept { return step_.load(std::memory_order_relaxed); }
  // With so many clients, or with a descriptor of this number, whoever has just got it should look: a rung may be
  // reached.
  bool is_crowded(std::uint64_t clients, int descriptor) const noexcept {
    return clients >= look_at_clients_.load(std::memory_order_relaxed) ||
           static_cast<std::uint64_t>(descriptor) >= look_at_descriptor_.load(std::memory_order_relaxed);
  }
  // How soon somebody should look who has no reason to.
  Duration interval() const noexcept { return near_.load(std::memory_order_relaxed) ? kNear : kFar; }

  // A worker's own: how far it is behind, and what that makes it do. By that worker.
  void report_lag(unsigned worker, Duration lag, Held held) noexcept;
  struct Lag {
    unsigned worker = 0;
    Duration lag{};
  };
  Lag worst_lag() const noexcept;  // of all workers
  // From which on one is too far behind; 0: never.
  Duration lag_limit() const noexcept { return Duration(lag_limit_.load(std::memory_order_relaxed)); }

  void set_thresholds(const RungThresholds& thresholds, Duration lag_limit = {}) noexcept;
  RungThresholds thresholds() const noexcept;
  // Before the workers run, either.
  void count_by(std::function<Counts()> count) { count_ = std::move(count); }
  // Called by the thread that looks, whenever what holds changes.
  void on_change(std::function<void(Held)> call) { on_change_ = std::move(call); }
  // Of all sources, workers' lag as well.
  Held held_by_anybody() const noexcept;
  // The highest rung of a source since the last call. One thread.
  Rung take_highest(Source source) noexcept;
  // In thousandths of its limit; of lag that of the worst worker.
  unsigned pressure(Source source) const noexcept;
  unsigned workers() const noexcept { return workers_; }

 private:
  static constexpr Duration kNear = std::chrono::milliseconds(100), kFar = std::chrono::seconds(1);
  struct Figure {
    std::atomic<std::uint64_t> used{0}, limit{0};
    Usage load() const noexcept {
      return {used.load(std::memory_order_relaxed), limit.load(std::memory_order_relaxed)};
    }
    void store(const Usage& u) noexcept {
      used.store(u.used, std::memory_order_relaxed);
      limit.store(u.limit, std::memory_order_relaxed);
    }
  };
  struct alignas(64) OfWorker {
    std::atomic<std::int64_t> lag{0};
    std::atomic<std::uint32_t> held{0};
  };
  void decide(const MemoryFigures& m, const Counts& counts, Instant now);
  void note(Source source, Rung rung) noexcept;
  const Clock& clock_;
  std::function<MemoryFigures()> read_;
  std::function<Counts()> count_;
  std::function<void(Held)> on_change_;
  const unsigned workers_;
  std::array<std::atomic<unsigned>, kRungs> thresholds_;
  std::atomic<std::int64_t> lag_limit_{0};
  std::atomic_flag looking_ = ATOMIC_FLAG_INIT;
  std::array<Ladder, kSources> ladders_;  // of the thread that looks; that of lag is each worker's own
  alignas(64) std::atomic<std::uint32_t> held_{0};
  std::atomic<bool> near_{false};
  std::atomic<std::uint64_t> step_, look_at_clients_, look_at_descriptor_;
  std::atomic<std::uint64_t> excess_{0}, excess_clients_{0};
  std::array<std::atomic<Rung>, kSources> highest_{};
  std::atomic<std::int64_t> slow_{0};
  Figure memory_, descriptors_, connections_;
  std::vector<OfWorker> lags_;
};

}  // namespace sluice::data
