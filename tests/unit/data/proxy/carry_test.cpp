// Who broke a tunnel, whichever direction meets it first; how long it may be silent, and how long it may last.
#include "data/proxy/carry.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../bare_context.h"
#include "net/stream.h"

namespace sluice::data {
namespace {

using namespace std::chrono_literals;

// Says one piece, unless it is `silent`; what is written to it fails where it `breaks`.
struct Side final : net::Duplex {
  bool silent = false, breaks = false, cancelled = false, said = false;
  net::tls::IoResult try_read(char*, std::size_t) override {
    if (cancelled) return {net::tls::Io::failed, 0};
    if (silent || std::exchange(said, true)) return {net::tls::Io::again_read, 0};
    return {net::tls::Io::done, 1};
  }
  net::Task<Status> wait_readable(Instant) override {
    co_return std::unexpected(Error{Fault::cancelled, Whose::internal, Retry::no, 0, "the other side"});
  }
  bool write_now(std::span<const iovec>) noexcept override { return !breaks; }
  net::Task<Status> finish_write(Duration) override {
    co_return std::unexpected(
        Error{cancelled ? Fault::cancelled : Fault::reset, Whose::internal, Retry::no, 0, "reset"});
  }
  std::uint64_t written() const noexcept override { return 0; }
  std::size_t room(std::size_t) noexcept override { return 1; }
  void end_write() noexcept override {}
  void wake_reader() noexcept override {}
  void cancel(Error) noexcept override { cancelled = true; }
};

struct Tunnel {
  BareContext bare;
  Side client, pod;
  Carried carried;
  void run() { net::spawn(over()); }
  net::Task<void> over() {
    net::Task<void> carrying = carry(bare.worker, client, pod, {1h, 0s}, carried);
    co_await carrying;
  }
};

TEST(Carry, APodThatBreaksWhileItIsWrittenToHasBroken) {
  Tunnel t;
  t.pod.silent = t.pod.breaks = true;
  t.run();
  EXPECT_TRUE(t.carried.pod_broke);
  EXPECT_FALSE(t.carried.client_broke);
}

TEST(Carry, WhoIsCancelledHasNotBroken) {
  Tunnel t;
  t.client.silent = t.pod.silent = true;
  t.run();
  EXPECT_FALSE(t.carried.pod_broke);
  EXPECT_FALSE(t.carried.client_broke);
}

struct Pair {
  Pair(net::Loop& loop, Whose whose) {
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    stream = std::make_unique<net::Stream>(loop, fds[0], whose, true);
    other = fds[1];
  }
  ~Pair() {
    stream.reset();
    close(other);
  }
  std::unique_ptr<net::Stream> stream;
  int other;  // whoever is at the far end
};

struct OpenTunnel : BareContext {
  Pair client{worker.loop, Whose::downstream}, pod{worker.loop, Whose::upstream};
  Carried carried;
  bool over = false;

  explicit OpenTunnel(TunnelLimits limits) {
    net::spawn(run(limits));
    turn();
  }
  ~OpenTunnel() {
    client.stream->cancel(kClientLeft);
    pod.stream->cancel(kClientLeft);
    turn();
    EXPECT_TRUE(over);
  }
  net::Task<void> run(TunnelLimits limits) {
    co_await carry(worker, *client.stream, *pod.stream, limits, carried);
    over = true;
  }
  void turn() {
    for (int i = 0; i < 4; ++i) worker.loop.turn(0ms);
  }
  void pass(Duration time) {
    clock.advance(time);
    turn();
  }
  void say(const Pair& from) {
    ASSERT_EQ(send(from.other, "x", 1, MSG_NOSIGNAL), 1);
    turn();
  }
};

TEST(Carry, ATunnelMayBeSilentForItsIdleTime) {
  OpenTunnel t({.idle = 60s, .lifetime = 0s});
  t.pass(59s);
  t.say(t.pod);
  t.pass(59s);
  EXPECT_FALSE(t.over);
  EXPECT_EQ(t.carried.down, 1U);
  t.pass(2s);
  EXPECT_TRUE(t.over);
}

TEST(Carry, ItsLifetimeEndsItHoweverBusy) {
  OpenTunnel t({.idle = 60s, .lifetime = 30s});
  for (int i = 0; i < 29; ++i) {
    t.pass(1s);
    t.say(t.client);
    ASSERT_FALSE(t.over) << i;
  }
  t.pass(1100ms);
  EXPECT_TRUE(t.over);
}

TEST(Carry, OnceOneSideHasEndedTheOtherHasTenSecondsOfSilence) {
  OpenTunnel t({.idle = 60s, .lifetime = 0s});
  shutdown(t.client.other, SHUT_WR);
  t.turn();
  t.pass(9s);
  t.say(t.pod);
  t.pass(9s);
  EXPECT_FALSE(t.over);
  t.pass(2s);
  EXPECT_TRUE(t.over);
}

}  // namespace
}  // namespace sluice::data
