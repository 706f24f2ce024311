#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "net/io/loop.h"

// What a Loop asks of the kernel. What a turn does with it is in loop.cpp.
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

}  // namespace sluice::net
