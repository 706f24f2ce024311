#include "net/io/loop.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace sluice::net {

Loop::Loop(const Clock& clock) : clock_(clock), now_(clock.now()), wheel_(now_), events_(256) {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  wake_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (epoll_ < 0 || wake_ < 0)
    throw std::runtime_error(std::string("cannot create an event loop: ") + std::strerror(errno));
  epoll_event e{};
  e.events = EPOLLIN | EPOLLET;
  e.data.ptr = nullptr;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &e);
}

Loop::~Loop() {
  close(wake_);
  close(epoll_);
}

bool Loop::add(int fd, std::uint32_t flags, Watcher* watcher) noexcept {
  epoll_event e{};
  e.events = flags;
  e.data.ptr = watcher;
  return epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &e) == 0;
}

bool Loop::modify(int fd, std::uint32_t flags, Watcher* watcher) noexcept {
  epoll_event e{};
  e.events = flags;
  e.data.ptr = watcher;
  return epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &e) == 0;
}

void Loop::remove(int fd, Watcher* watcher) noexcept {
  epoll_event e{};
  epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, &e);
  forget(watcher);
}

void Loop::forget(Watcher* watcher) noexcept {
  for (int i = at_; i < batch_; ++i)
    if (events_[static_cast<std::size_t>(i)].data.ptr == watcher) events_[static_cast<std::size_t>(i)].events = 0;
}

std::uint32_t Loop::reported(const Watcher* watcher) const noexcept {
  for (int i = at_; i < batch_; ++i)
    if (events_[static_cast<std::size_t>(i)].data.ptr == watcher) return events_[static_cast<std::size_t>(i)].events;
  return 0;
}

void Loop::cancel_end_of_turn(AtEndOfTurn& who) noexcept {
  for (auto* list : {&ending_, &ending_now_})
    for (auto& due : *list)
      if (due == &who) due = nullptr;
}

void Loop::post(std::function<void()> fn) {
  bool first;
  {
    std::lock_guard lock(mutex_);
    first = posted_.empty();
    posted_.push_back(std::move(fn));
  }
  if (first) {
    const std::uint64_t one = 1;
    [[maybe_unused]] auto n = write(wake_, &one, sizeof one);
  }
}

void Loop::run_posted() {
  std::uint64_t count;
  [[maybe_unused]] auto n = read(wake_, &count, sizeof count);
  if (marked_) mark_took_ = clock_.now() - marked_at_;
  marked_ = false;
  std::vector<std::function<void()>> posted;
  {
    std::lock_guard lock(mutex_);
    posted.swap(posted_);
  }
  for (auto& fn : posted) fn();
}

void Loop::run_ready() {
  while (!ready_.empty()) {
    running_.swap(ready_);
    for (auto h : running_) h.resume();
    running_.clear();
  }
}

// What is asked for meanwhile waits for the end of the next turn: the others have theirs in between.
void Loop::end_turn() {
  if (ending_.empty()) return;
  ending_now_.swap(ending_);
  for (std::size_t i = 0; i < ending_now_.size(); ++i)
    if (auto* who = ending_now_[i]) who->end_of_turn();
  ending_now_.clear();
  run_ready();
}

void Loop::turn(Duration wait) {
  auto sleep = std::min(wait, wheel_.next(now_));
  if (!precise_.empty()) [[unlikely]]
    sleep = std::clamp<Duration>(precise_.next() - now_, Duration(0), sleep);
  // Rounded up, so that a deadline does not make the poll spin through its last millisecond.
  const auto millis = static_cast<int>((sleep + std::chrono::microseconds(999)) / std::chrono::milliseconds(1));
  batch_ = epoll_wait(epoll_, events_.data(), static_cast<int>(events_.size()),
                      ready_.empty() && ending_.empty() ? millis : 0);
  if (batch_ < 0) batch_ = 0;
  now_ = clock_.now();
  const Instant begun = now_;
  for (at_ = 0; at_ < batch_;) {
    const epoll_event e = events_[static_cast<std::size_t>(at_++)];
    if (!e.data.ptr)
      run_posted();
    else if (e.events)
      static_cast<Watcher*>(e.data.ptr)->on_events(e.events);
  }
  const bool full = batch_ == static_cast<int>(events_.size());
  batch_ = at_ = 0;
  wheel_.advance(now_);
  if (!precise_.empty()) [[unlikely]]
    precise_.advance(now_);
  run_ready();
  end_turn();
  if (on_turn) on_turn(measure(begun, full));
}

Turn Loop::measure(Instant begun, bool full) {
  const Duration took = clock_.now() - begun;
  Turn out{begun, took, took};
  if (full || marked_ || mark_took_ > Duration{}) [[unlikely]]
    measure_rest(out, full);
  return out;
}

// What is ready waits for as long as a turn takes. Where a turn cannot take all of it the rest waits for several: how
// many is known once a mark has come that was sent then, as the kernel keeps what is ready in its order.
void Loop::measure_rest(Turn& turn, bool full) {
  const Instant ended = turn.begun + turn.took;
  turn.waited = std::max({turn.took, mark_took_, marked_ ? ended - marked_at_ : Duration{}});
  if (full && !marked_) {
    marked_ = true;
    marked_at_ = ended;
    const std::uint64_t one = 1;
    [[maybe_unused]] auto n = write(wake_, &one, sizeof one);
  }
  if (!marked_) mark_took_ = {};  // else what the last one took counts until the next one has come
}

void Loop::run() {
  while (!stopped_) turn(std::chrono::seconds(1));
}

}  // namespace sluice::net
