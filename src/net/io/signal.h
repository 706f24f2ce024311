#pragma once
#include <coroutine>
#include <utility>

#include "net/io/loop.h"

namespace sluice::net {

// One coroutine waits here for something to happen. notify() makes it look again, at the end of the turn; the waiting
// coroutine is told only whether its time ran out. Loop's thread only; nobody may wait when it dies.
class Signal final : public Deadline {
 public:
  explicit Signal(Loop& loop) noexcept : loop_(loop) {}
  // co_await yields false when `until` passed first (Instant::max(): never).
  auto wait(Instant until) noexcept {
    struct Awaiter {
      Signal& s;
      Instant until;
      bool await_ready() const noexcept { return false; }
      void await_suspend(std::coroutine_handle<> h) const noexcept {
        s.waiter_ = h;
        s.timed_out_ = false;
        if (until != Instant::max()) s.loop_.arm_at(s, until);
      }
      bool await_resume() const noexcept { return !s.timed_out_; }
    };
    return Awaiter{*this, until};
  }
  void notify() noexcept {
    disarm();
    if (auto h = std::exchange(waiter_, {})) loop_.resume_later(h);
  }

 private:
  void expired() override {
    timed_out_ = true;
    if (auto h = std::exchange(waiter_, {})) h.resume();
  }
  Loop& loop_;
  std::coroutine_handle<> waiter_;
  bool timed_out_ = false;
};

// co_await EndOfTurn(loop): goes on at the end of this turn, or, inside the end of one, of the next: others have theirs
// in between. Nobody may destroy the coroutine while it waits.
class EndOfTurn final : private AtEndOfTurn {
 public:
  explicit EndOfTurn(Loop& loop) noexcept : loop_(loop) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> h) {
    waiter_ = h;
    loop_.call_at_end_of_turn(*this);
  }
  void await_resume() const noexcept {}

 private:
  void end_of_turn() override { loop_.resume_later(waiter_); }
  Loop& loop_;
  std::coroutine_handle<> waiter_;
};

// How much of a turn somebody has had who never has to wait: both of his sides are always ready. Asked for each piece:
//
//   if (share.used_up(bytes)) { net::EndOfTurn others(loop); co_await others; }
class ShareOfTurn {
 public:
  explicit ShareOfTurn(const Loop& loop) noexcept : loop_(loop), turn_(loop.now()) {}
  // A piece of so many bytes was moved: have the others waited long enough?
  bool used_up(std::size_t bytes) noexcept {
    bytes_ += bytes;
    if (bytes_ < kMost) return false;
    const bool same = turn_ == loop_.now();
    turn_ = loop_.now();
    bytes_ = 0;
    return same;
  }

 private:
  static constexpr std::size_t kMost = 1024 * 1024;  // a millisecond, or less
  const Loop& loop_;
  Instant turn_;  // in which the counting began
  std::size_t bytes_ = 0;
};

}  // namespace sluice::net
