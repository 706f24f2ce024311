#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
// Behind the other two: it does not compile alone.
#include <boost/asio/detail/reactor.hpp>
#include <boost/asio/detail/reactor_op.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string_view>
#include <unordered_map>

#include "net/io/loop.h"

// A Loop over Asio's reactor in place of src/net/io/loop_epoll.cpp, to be measured
// (docs/adr/0013-asio-and-beast-measured.md), never shipped: SLUICE_ASIO_LOOP=ON. Every choice is in favour of Asio: no
// locks (the loop has its own way to be woken by other threads), no timers (deadlines stay on the wheel), no executors
// and no memory for a handler (operations are members), a descriptor registered once, and events handled as they come.
//
// What it does not give, each of which would cost a system call: Asio does not ask for EPOLLRDHUP and does not tell
// EPOLLHUP, so that a peer's end is seen when somebody reads; reported() knows nothing; where data waits that nobody
// reads, it is told again and again (but for `edges`).
namespace sluice::net {
namespace {

namespace asio = boost::asio;
using Reactor = asio::detail::reactor;
using ReactorOp = asio::detail::reactor_op;

// How a wait for bytes begins, by the environment's SLUICE_ASIO.
enum class How {
  // As async_wait does: the kernel is told again (epoll_ctl) and says at once whether something is there.
  wait,
  // As async_read_some does: a read is tried (here one that takes nothing), and if there is nothing the wait is for an
  // edge.
  attempt,
  // For an edge alone. An end that came together with bytes is never seen: a figure for what the rest of Asio costs.
  edges,
};

How how() {
  const char* set = std::getenv("SLUICE_ASIO");
  const std::string_view name = set ? set : "wait";
  if (name == "wait") return How::wait;
  if (name == "attempt") return How::attempt;
  if (name == "edges") return How::edges;
  throw std::runtime_error("SLUICE_ASIO: wait, attempt or edges");
}

struct Descriptor;

struct Wake final : Watcher {
  std::function<void()> run;
  void on_events(std::uint32_t) override { run(); }
};

struct Asio {
  asio::io_context context{BOOST_ASIO_CONCURRENCY_HINT_UNSAFE};
  asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
  Reactor& reactor = asio::use_service<Reactor>(context);
  const How how = net::how();
  Asio() { reactor.init_task(); }  // what a socket of Asio's own would do
  std::unordered_map<const Watcher*, Descriptor*> descriptors;
  Wake wake;
  bool any = false;  // events in this turn
  Instant begun{};
};

// The wait for one kind of event. Its memory may not end while the reactor or the queue has it.
struct Operation final : ReactorOp {
  Operation(Descriptor& d, int kind_, std::uint32_t event_)
      : ReactorOp({}, &perform, &complete), of(d), kind(kind_), event(event_) {}
  Descriptor& of;
  int kind;
  std::uint32_t event;
  bool begins = false, waits = false;

  void start();
  static status perform(ReactorOp* base);
  static void complete(void* owner, asio::detail::operation* base, const boost::system::error_code&, std::size_t);
};

struct Descriptor {
  Descriptor(Loop& l, Asio& a, int f, std::uint32_t fl, Watcher* w) : loop(l), io(a), fd(f), flags(fl), watcher(w) {}
  Loop& loop;
  Asio& io;
  int fd;
  std::uint32_t flags;
  Watcher* watcher;
  Reactor::per_descriptor_data data{};
  Operation in{*this, Reactor::read_op, EPOLLIN}, out{*this, Reactor::write_op, EPOLLOUT};
  int used = 0;  // operations that are not over, and events that are being handled
  bool gone = false;

  bool edges() const { return flags & EPOLLET; }
  void start() {
    if (flags & EPOLLIN) in.start();
    if (flags & EPOLLOUT) out.start();
  }
  void end(bool closes) {
    gone = true;
    ++used;
    io.reactor.deregister_descriptor(fd, data, closes);
    io.reactor.cleanup_descriptor_data(data);
    over();
  }
  void over() {
    if (--used == 0 && gone) delete this;
  }
};

void Operation::start() {
  if (waits) return;
  waits = true;
  ++of.used;
  ec_ = {};
  begins = true;
  // Without an attempt the reactor tells the kernel again, which is what makes a wait one for a level.
  const bool attempt = of.edges() && (event == EPOLLOUT || of.io.how != How::wait);
  of.io.reactor.start_op(kind, of.fd, of.data, this, false, attempt);
  begins = false;
}

ReactorOp::status Operation::perform(ReactorOp* base) {
  auto& op = *static_cast<Operation*>(base);
  if (!op.begins) return done;
  if (op.event != EPOLLIN || op.of.io.how != How::attempt) return not_done;
  char byte;
  const auto n = recv(op.of.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return n < 0 && (errno == EAGAIN || errno == ENOTCONN) ? not_done : done;
}

void Operation::complete(void* owner, asio::detail::operation* base, const boost::system::error_code&, std::size_t) {
  auto& op = *static_cast<Operation*>(base);
  Descriptor& d = op.of;
  op.waits = false;
  if (owner && !d.gone) {
    if (!op.ec_) {
      if (!d.io.any) {
        d.io.any = true;
        d.io.begun = d.loop.fresh_now();
      }
      d.watcher->on_events(op.event);
    }
    if (!d.gone && (d.flags & op.event)) op.start();
  }
  d.over();
}

}  // namespace

// The class is that of net/io/loop.h as it is, so that the rest of the program is the same: what is Asio's hangs where
// a Loop over epoll has the events of a poll.
namespace {

Asio& asio_of(const std::vector<epoll_event>& events) {
  return *static_cast<Asio*>(events[0].data.ptr);
}

constexpr std::size_t kMost = 256;  // events a turn, as the other Loop

}  // namespace

Loop::Loop(const Clock& clock) : clock_(clock), now_(clock.now()), wheel_(now_), events_(1) {
  wake_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (wake_ < 0) throw std::runtime_error(std::string("cannot create an event loop: ") + std::strerror(errno));
  auto* io = new Asio;
  events_[0].data.ptr = io;
  io->wake.run = [this] { run_posted(); };
  add(wake_, EPOLLIN, &io->wake);
}

Loop::~Loop() {
  auto* io = &asio_of(events_);
  forget(&io->wake);
  close(wake_);
  delete io;
}

bool Loop::add(int fd, std::uint32_t flags, Watcher* watcher) noexcept {
  Asio& io = asio_of(events_);
  auto* d = new Descriptor(*this, io, fd, flags, watcher);
  if (io.reactor.register_descriptor(fd, d->data) != 0) {
    delete d;
    return false;
  }
  io.descriptors.emplace(watcher, d);
  d->start();
  return true;
}

bool Loop::modify(int, std::uint32_t flags, Watcher* watcher) noexcept {
  Descriptor& d = *asio_of(events_).descriptors.at(watcher);
  d.flags = flags;
  if (!(flags & EPOLLIN)) {
    ++d.used;
    d.io.reactor.cancel_ops(d.fd, d.data);
    d.over();
  }
  d.start();
  return true;
}

void Loop::remove(int, Watcher* watcher) noexcept {
  auto& all = asio_of(events_).descriptors;
  if (auto at = all.find(watcher); at != all.end()) {
    at->second->end(false);
    all.erase(at);
  }
}

void Loop::forget(Watcher* watcher) noexcept {
  auto& all = asio_of(events_).descriptors;
  if (auto at = all.find(watcher); at != all.end()) {
    at->second->end(true);
    all.erase(at);
  }
}

std::uint32_t Loop::reported(const Watcher*) const noexcept {
  return 0;
}

void Loop::turn(Duration wait) {
  Asio& io = asio_of(events_);
  auto sleep = std::min(wait, wheel_.next(now_));
  if (!precise_.empty()) [[unlikely]]
    sleep = std::clamp<Duration>(precise_.next() - now_, Duration(0), sleep);
  io.any = false;
  std::size_t handled =
      sleep > Duration(0) && ready_.empty() && ending_.empty() ? io.context.run_one_for(sleep) : io.context.poll_one();
  if (handled)
    while (handled < kMost && io.context.poll_one()) ++handled;
  if (!io.any) io.begun = now_ = clock_.now();
  const Instant begun = io.begun;
  wheel_.advance(now_);
  if (!precise_.empty()) [[unlikely]]
    precise_.advance(now_);
  run_ready();
  end_turn();
  if (on_turn) on_turn(measure(begun, handled == kMost));
}

}  // namespace sluice::net
