#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "model/model.h"

// Health of endpoints, by their answers to requests (passive) and by checks (active). Who is not well gets no requests
// for a while. One state for an endpoint of a namespace, whatever route, Service port or worker asked it; another
// namespace that names the same address has a state of its own. docs/resilience.md.
namespace sluice::data {

// What an endpoint of a namespace is known by: address, port and pod, as another pod behind the same address is another
// endpoint.
std::string identity_of(const model::Endpoint& endpoint);

// What became of attempts at one endpoint, and of checks of it. Any thread; `now` is of a steady clock that all threads
// share.
class EndpointHealth {
 public:
  // An attempt has failed, and the endpoint is to blame. True: it is ejected from now on, by this. `crowded`: so many
  // are out that this one is asked all the same. What ails all of them is no reason to leave one out for longer.
  bool failed(const model::Options& options, Instant now, bool crowded = false) noexcept;
  // The same of one whose machine does not answer at all, which is not asked so often.
  bool lost(const model::Options& options, Instant now, bool crowded = false) noexcept;
  void succeeded(Instant now) noexcept;
  // It has answered after so long, and well. Answers that come at once in two threads may count as one.
  void answered(float seconds, Instant now) noexcept;
  // What it takes as a rule, in seconds; 0: it has not answered often enough since it was ejected to say so.
  float typical_seconds() const noexcept {
    return answers_.load(std::memory_order_relaxed) < kEnoughAnswers ? 0 : typical_.load(std::memory_order_relaxed);
  }
  // It takes too long, as it takes others less. True: it is ejected from now on, by this.
  bool too_slow(const model::Options& options, Instant now, bool crowded = false) noexcept;
  // It is ejected no longer, and has yet to answer. False: it was not.
  bool call_back(Instant now) noexcept;
  // One of those that check it finds it unwell from now on, or no longer. Each call of the first is undone by one of
  // the second.
  void unwell(Instant now) noexcept;
  void well() noexcept;

  // Ejected for failures, and no answer since says that it is well again.
  bool is_unproven() const noexcept { return unproven_.load(std::memory_order_relaxed); }
  bool is_ejected(Instant now) const noexcept { return now < until(); }
  bool is_unwell() const noexcept { return unwell_.load(std::memory_order_relaxed) != 0; }
  bool is_out(Instant now) const noexcept { return is_unwell() || is_ejected(now); }
  // Since when it is out without a break, where it is; about that, where it is out for both reasons.
  Instant out_since(Instant now) const noexcept;
  Instant since() const noexcept { return at(since_); }  // of the last time that it was ejected
  Instant until() const noexcept { return at(until_); }
  std::uint32_t times() const noexcept { return times_.load(std::memory_order_relaxed); }

  static constexpr std::uint32_t kEnoughAnswers = 32;

 private:
  using Time = std::atomic<Instant::rep>;
  static Instant at(const Time& time) noexcept {
    return Instant(Instant::duration(time.load(std::memory_order_relaxed)));
  }
  // Out from now on; `before`: until_ as it was looked at. False: another thread did so meanwhile.
  bool eject(const model::Options& options, Instant now, Instant::rep before, bool crowded) noexcept;

  std::atomic<std::uint32_t> failures_ = 0;  // in a row
  std::atomic<bool> unproven_ = false;
  std::atomic<std::uint32_t> times_ = 0;   // that it was ejected lately: the more, the longer
  Time since_ = 0, until_ = 0;             // 0: never
  std::atomic<std::uint32_t> unwell_ = 0;  // checks that find it so
  Time unwell_since_ = 0;
  std::atomic<std::uint32_t> answers_ = 0;  // that typical_ is of, up to kEnoughAnswers
  std::atomic<float> typical_ = 0;          // seconds
};

// What the checks of one endpoint come to. It is well until it has failed: Kubernetes has found it ready.
class CheckResults {
 public:
  enum class Change : std::uint8_t { none, unwell, well };
  // The next one. Rows of those that agree with what is known are no news, and end what has begun against it.
  Change take(bool well, const model::HealthCheck& check) noexcept {
    if (well != unwell_) {
      row_ = 0;
      return Change::none;
    }
    if (++row_ < (unwell_ ? check.healthy_after : check.unhealthy_after)) return Change::none;
    row_ = 0;
    unwell_ = !unwell_;
    return unwell_ ? Change::unwell : Change::well;
  }
  bool is_unwell() const noexcept { return unwell_; }
  // As another check has found it already, that asks the same.
  void begin_unwell() noexcept { unwell_ = true; }

 private:
  bool unwell_ = false;
  std::uint32_t row_ = 0;  // that say otherwise
};

// Those of a process, as long as somebody holds them. Any thread.
class HealthTable {
 public:
  // Takes a lock: asked once for an endpoint of a worker.
  std::shared_ptr<EndpointHealth> of(std::string_view ns, std::string_view identity);
  // The same for whoever only looks; null: nobody has asked for it.
  std::shared_ptr<const EndpointHealth> find(std::string_view ns, std::string_view identity) const;
  // An endpoint of the namespace is out, or back before its time: workers look again who is, at Clusters of it and of
  // those few others that have the same slot. Who is out of one minute and back the next costs hardly anybody else.
  static constexpr std::size_t kSlots = 64;
  static std::size_t slot_of(std::string_view ns) noexcept { return std::hash<std::string_view>()(ns) % kSlots; }
  void changed(std::string_view ns) noexcept { changes_[slot_of(ns)].fetch_add(1, std::memory_order_release); }
  std::uint64_t changes(std::size_t slot) const noexcept { return changes_[slot].load(std::memory_order_acquire); }
  // How many are ejected, for what became of requests, and how many are unwell, as checks say.
  struct Count {
    std::size_t ejected = 0, unwell = 0;
  };
  Count count(Instant now) const;

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::string, std::weak_ptr<EndpointHealth>> known_;
  std::size_t tidy_at_ = 64;
  std::array<std::atomic<std::uint64_t>, kSlots> changes_{};
};

// One of a Cluster's endpoints that are out.
struct OutEndpoint {
  Instant since;
  std::string_view identity;
  std::size_t at;  // for whoever asks
};
// How many of `takers` endpoints of a Cluster may be left out at once: `per_cent` of them, one at least, and never all.
constexpr std::size_t most_left_out(std::size_t takers, std::uint32_t per_cent) noexcept {
  if (takers < 2) return 0;
  const std::size_t share = takers * per_cent / 100;
  return share == 0 ? 1 : share < takers ? share : takers - 1;
}
// Keeps those of `out` that get no requests: of too many those that have been out for longest, so that workers that
// look at different times find the same.
void keep_left_out(std::vector<OutEndpoint>& out, std::size_t takers, std::uint32_t per_cent);

}  // namespace sluice::data
