#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.h"
#include "model/options.h"

// Passive health: who fails several times in a row gets no requests for a while. One state for an endpoint of a
// namespace, whatever route, Service port or worker asked it; another namespace that names the same address has a state
// of its own. docs/resilience.md.
namespace sluice::data {

// What became of attempts at one endpoint. Any thread; `now` is of a steady clock that all threads share.
class EndpointHealth {
 public:
  // One has failed, and the endpoint is to blame. True: it is out from now on, by this.
  bool failed(const model::Options& options, Instant now) noexcept;
  // The same of one whose machine does not answer at all, which is not asked so often.
  bool lost(const model::Options& options, Instant now) noexcept;
  void succeeded(Instant now) noexcept;
  bool is_out(Instant now) const noexcept { return now < until(); }
  Instant since() const noexcept { return at(since_); }  // of the last time that it was out
  Instant until() const noexcept { return at(until_); }
  std::uint32_t times() const noexcept { return times_.load(std::memory_order_relaxed); }

 private:
  using Time = std::atomic<Instant::rep>;
  static Instant at(const Time& time) noexcept {
    return Instant(Instant::duration(time.load(std::memory_order_relaxed)));
  }
  std::atomic<std::uint32_t> failures_ = 0;  // in a row
  std::atomic<std::uint32_t> times_ = 0;     // that it was out lately: the more, the longer
  Time since_ = 0, until_ = 0;               // 0: never
};

// Those of a process, as long as somebody holds them. Any thread.
class HealthTable {
 public:
  // Takes a lock: asked once for an endpoint of a worker.
  std::shared_ptr<EndpointHealth> of(std::string_view ns, std::string_view identity);
  // An endpoint is out: workers look again who is.
  void changed() noexcept { changes_.fetch_add(1, std::memory_order_release); }
  std::uint64_t changes() const noexcept { return changes_.load(std::memory_order_acquire); }
  // How many are out.
  std::size_t out(Instant now) const;

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::string, std::weak_ptr<EndpointHealth>> known_;
  std::size_t tidy_at_ = 64;
  std::atomic<std::uint64_t> changes_ = 0;
};

// How many of `takers` endpoints of a Cluster may be left out at once: `per_cent` of them, one at least, and never all.
constexpr std::size_t most_left_out(std::size_t takers, std::uint32_t per_cent) noexcept {
  if (takers < 2) return 0;
  const std::size_t share = takers * per_cent / 100;
  return share == 0 ? 1 : share < takers ? share : takers - 1;
}

}  // namespace sluice::data
