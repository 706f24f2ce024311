#pragma once
#include <sys/epoll.h>

#include <coroutine>
#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

#include "base/clock.h"
#include "net/io/deadlines.h"
#include "net/io/precise_deadlines.h"

// The event loop of a worker: one epoll descriptor, edge-triggered, each descriptor registered once for its life.
// docs/adr/0002-own-epoll-loop.md tells why it is ours.
namespace sluice::net {

// Gets the events of one descriptor. Must be removed from the loop before it dies; after removal no event comes, not
// even one that the kernel had already reported.
class Watcher {
 public:
  virtual void on_events(std::uint32_t events) = 0;

 protected:
  ~Watcher() = default;
};

// Called once at the end of the turn in which it was asked for, after every event and coroutine of it: what a turn has
// made ready leaves together.
class AtEndOfTurn {
 public:
  virtual void end_of_turn() = 0;

 protected:
  ~AtEndOfTurn() = default;
};

// What a turn came to.
struct Turn {
  Instant begun{};    // when its poll had ended
  Duration took{};    // until its work was done
  Duration waited{};  // so long, about, what is ready waits for its turn: `took`, or more where not all fits into one
};

// All methods on the loop's thread, unless said.
class Loop {
 public:
  explicit Loop(const Clock& clock);
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Runs until stop().
  void run();
  // One turn: polls for at most `wait`, handles events, deadlines, posted functions. For tests with a fake clock.
  void turn(Duration wait);
  void stop() noexcept { stopped_ = true; }

  // Any thread. Runs fn on the loop's thread soon. Control messages only: takes a lock and may allocate.
  void post(std::function<void()> fn);

  // Registers fd; `flags` such as EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET. False when the kernel refuses.
  bool add(int fd, std::uint32_t flags, Watcher* watcher) noexcept;
  bool modify(int fd, std::uint32_t flags, Watcher* watcher) noexcept;
  // Before close(fd).
  void remove(int fd, Watcher* watcher) noexcept;
  // Only forgets events already reported; for a descriptor that is closed right after (closing ends its registration).
  void forget(Watcher* watcher) noexcept;
  // Events that this turn's poll has reported for it and that were not handled yet.
  std::uint32_t reported(const Watcher* watcher) const noexcept;

  // Resumes h at the end of this turn.
  void resume_later(std::coroutine_handle<> h) { ready_.push_back(h); }

  // Once for each call, in order; `who` must call cancel_end_of_turn before it dies while one is due.
  void call_at_end_of_turn(AtEndOfTurn& who) { ending_.push_back(&who); }
  void cancel_end_of_turn(AtEndOfTurn& who) noexcept;

  Instant now() const noexcept { return now_; }  // of this turn
  Instant fresh_now() noexcept { return now_ = clock_.now(); }
  void arm(Deadline& d, Duration in) noexcept { wheel_.arm(d, now_ + in); }
  void arm_at(Deadline& d, Instant at) noexcept { wheel_.arm(d, at); }
  void arm_at(PreciseDeadline& d, Instant at) { precise_.arm(d, at); }
  // Called after each turn.
  std::function<void(const Turn&)> on_turn;

 private:
  void run_posted();
  void run_ready();
  void end_turn();
  Turn measure(Instant begun, bool full);
  void measure_rest(Turn& turn, bool full);

  const Clock& clock_;
  Instant now_;
  DeadlineWheel wheel_;
  PreciseDeadlines precise_;
  int epoll_ = -1;
  int wake_ = -1;
  bool stopped_ = false;
  std::vector<epoll_event> events_;
  int batch_ = 0, at_ = 0;
  // A wake of our own stands in the kernel's queue behind all that was ready when it was sent.
  bool marked_ = false;
  Instant marked_at_{};
  Duration mark_took_{};  // of one that came in this turn
  std::vector<std::coroutine_handle<>> ready_, running_;
  std::vector<AtEndOfTurn*> ending_, ending_now_;
  std::mutex mutex_;
  std::vector<std::function<void()>> posted_;
};

}  // namespace sluice::net
