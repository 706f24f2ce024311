#pragma once
#include <cstddef>
#include <deque>
#include <map>
#include <string>

#include "base/clock.h"

namespace sluice::data {

// Somebody who is checked from time to time, and waits for a turn.
struct CheckTurn {
  std::string ns;  // whose it is
  bool waits = false;

 protected:
  ~CheckTurn() = default;
};

// Who is checked next, on one worker. At most so many are under way, and so many begin a second, of one namespace no
// more than a part; of several namespaces that wait each has its turn, whatever the others have. No I/O.
class CheckTurns {
 public:
  static constexpr std::size_t kMostAtOnce = 64, kMostOfNamespace = 16;
  static constexpr std::size_t kMostInABurst = 20;  // that begin in a kBurst: 200 a second
  static constexpr Duration kBurst = std::chrono::milliseconds(100);

  // It is due; it does not wait yet.
  void wait(CheckTurn& who) {
    who.waits = true;
    all_[who.ns].waiting.push_back(&who);
    ++waiting_;
  }
  // It does not want its turn any more.
  void leave(CheckTurn& who) {
    if (!who.waits) return;
    const auto at = all_.find(who.ns);
    std::erase(at->second.waiting, &who);
    gone(who, at);
  }
  // Whose turn it is, and is under way from now on, until over(). Null: nobody waits, all places are taken, or too many
  // have begun, and then later() is true.
  CheckTurn* next(Instant now) {
    later_ = false;
    if (waiting_ == 0 || running_ >= kMostAtOnce) return nullptr;
    if (now - burst_ >= kBurst) burst_ = now, begun_ = 0;
    auto at = all_.upper_bound(last_);
    for (std::size_t i = 0; i < all_.size(); ++i, ++at) {
      if (at == all_.end()) at = all_.begin();
      Namespace& of = at->second;
      if (of.waiting.empty() || of.running >= kMostOfNamespace) continue;
      if (begun_ >= kMostInABurst) {
        later_ = true;
        return nullptr;
      }
      CheckTurn& who = *of.waiting.front();
      of.waiting.pop_front();
      ++of.running;
      ++running_;
      ++begun_;
      last_ = at->first;
      gone(who, at);
      return &who;
    }
    return nullptr;
  }
  bool later() const noexcept { return later_; }  // ask again after kBurst
  void over(const CheckTurn& who) {
    const auto at = all_.find(who.ns);
    --at->second.running;
    --running_;
    forget(at);
  }
  std::size_t waiting() const noexcept { return waiting_; }
  std::size_t running() const noexcept { return running_; }

 private:
  struct Namespace {
    std::deque<CheckTurn*> waiting;
    std::size_t running = 0;
  };
  using All = std::map<std::string, Namespace>;  // those with somebody who waits or is under way
  void gone(CheckTurn& who, All::iterator at) {
    who.waits = false;
    --waiting_;
    forget(at);
  }
  void forget(All::iterator at) {
    if (at->second.waiting.empty() && at->second.running == 0) all_.erase(at);
  }

  All all_;
  std::string last_;  // whose turn it was
  std::size_t waiting_ = 0, running_ = 0, begun_ = 0;
  Instant burst_{};
  bool later_ = false;
};

}  // namespace sluice::data
