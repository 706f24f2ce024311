#include "data/server/listener.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "data/server/shedding.h"
#include "data/server/turned_away.h"
#include "data/server/worker.h"
#include "net/io/socket.h"

namespace sluice::data {

Listener::Listener(Worker& worker, int fd, ListenerSettings settings)
    : worker_(worker),
      fd_(fd),
      spare_(settings.stream ? -1 : open("/dev/null", O_RDONLY | O_CLOEXEC)),
      settings_(settings),
      port_(net::local_address(fd).port()) {
  pause_.listener = this;
  worker_.loop.add(fd_, EPOLLIN, this);
}

Listener::~Listener() {
  if (fd_ >= 0) {
    worker_.waits_no_longer(*this);
    worker_.loop.remove(fd_, this);
    close(fd_);
  }
  if (spare_ >= 0) close(spare_);
}

void Listener::finish() {
  if (fd_ < 0) return;
  while (accept_some(1024)) {
  }
  worker_.waits_no_longer(*this);
  pause_.disarm();
  worker_.loop.remove(fd_, this);
  // Who has come meanwhile would be reset by the close, though another process may share the port: nothing stands
  // between the last look and that.
  while (accept_one()) {
  }
  close(fd_);
  fd_ = -1;
}

bool Listener::accept_one() {
  net::SocketAddress from;
  from.size = from.kRoom;
  const int fd = accept4(fd_, from.get(), &from.size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd >= 0) worker_.accepted(fd, from, settings_, port_);
  return fd >= 0;
}

namespace {
constexpr int kLeastAtOnce = 8;  // clients that are accepted in a turn, however short memory is
}

void Listener::on_events(std::uint32_t) {
  accept_some(64);
}

bool Listener::accept_some(int most) {
  // It looks again when one of its clients has given a descriptor back: there may be enough of them by now.
  if (worker_.shared.overload.held().by(Source::descriptors, Rung::stop)) [[unlikely]]
    worker_.shared.overload.look();
  if (const Held held = worker_.held(); held.any(Rung::stop)) [[unlikely]] {
    worker_.stats.overload_pauses.add();
    if (held.by(Source::descriptors, Rung::stop))
      out_of_descriptors();
    else
      look_away();
    return false;
  }
  // What is accepted grows for some turns: no more at once than what is left to the next rung bears meanwhile.
  const std::uint64_t bearable =
      worker_.shared.overload.step() / (cost::kClient + (settings_.tls ? cost::kHandshake : 0));
  if (bearable < static_cast<std::uint64_t>(most)) most = std::max(static_cast<int>(bearable), kLeastAtOnce);
  for (int i = 0; i < most; ++i) {
    // Each of them may be the one too many. Where somebody else is about to find that out, and who knows how long it
    // takes on a busy machine, the next one waits.
    Overload& overload = worker_.shared.overload;
    if (overload.is_crowded(worker_.shared.limits.total(), 0) && !overload.look()) [[unlikely]] {
      look_away();
      return false;
    }
    if (overload.held().any(Rung::stop)) [[unlikely]]
      return false;
    if (accept_one()) continue;
    if (errno == ECONNABORTED || errno == EINTR || errno == EPROTO) continue;
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) out_of_descriptors();
    return false;
  }
  return true;
}

// Looks away until a connection of this worker has given its descriptor back, or for a tick: the kernel keeps who waits
// queued, and a full table does not become a full core. Once a tick the first of them is told.
void Listener::out_of_descriptors() {
  tell_the_first();
  worker_.waits_for_descriptor(*this);
  look_away();
}

void Listener::tell_the_first() {
  if (spare_ >= 0 && worker_.loop.now() - turned_away_at_ >= net::DeadlineWheel::kTick) turn_one_away();
}

// There is no descriptor to read on with: a client that sends more than what is here by now may see a reset.
void Listener::turn_one_away() {
  turned_away_at_ = worker_.loop.now();
  close(spare_);
  if (const int fd = accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC); fd >= 0) {
    worker_.stats.shed_connections.add();
    if (!settings_.tls) [[maybe_unused]]
      auto n = send(fd, kBusyAnswer.data(), kBusyAnswer.size(), MSG_NOSIGNAL);
    shutdown(fd, SHUT_WR);
    char rest[4096];
    while (recv(fd, rest, sizeof rest, 0) > 0) {
    }
    close(fd);
  }
  // Another thread may have been quicker: look_again() tries anew.
  spare_ = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

void Listener::look_away() {
  worker_.loop.modify(fd_, 0, this);
  worker_.loop.arm(pause_, net::DeadlineWheel::kTick);
}

void Listener::look_again() {
  pause_.disarm();
  if (spare_ < 0 && !settings_.stream) spare_ = open("/dev/null", O_RDONLY | O_CLOEXEC);
  worker_.loop.modify(fd_, EPOLLIN, this);
}

void Listener::Pause::expired() {
  listener->worker_.waits_no_longer(*listener);
  listener->look_again();
}

}  // namespace sluice::data
