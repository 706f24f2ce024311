#include "data/server/linger.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <list>
#include <string>

#include "bare_worker.h"

namespace sluice::data {
namespace {

using namespace std::chrono_literals;

// A worker without listeners, a clock that the test moves, and a client that was answered early.
struct Answered : BareWorker {
  int client = -1;
  std::unique_ptr<net::Stream> stream;
  bool over = false;

  Answered() {
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    client = fds[1];
    stream = std::make_unique<net::Stream>(worker.loop, fds[0], Whose::downstream, true);
  }
  ~Answered() {
    stream->cancel(Error{Fault::cancelled, Whose::internal, Retry::no, 0, "the test is over"});
    turn();
    stream.reset();
    close(client);
  }
  void turn() { worker.loop.turn(0ms); }
  void pass(Duration time) {
    clock.advance(time);
    turn();
    turn();
  }
  void start() { net::spawn(run()); }
  net::Task<void> run() {
    co_await linger(worker, *stream);
    over = true;
  }
  void say(std::size_t bytes) {
    const std::string text(bytes, 'x');
    ASSERT_EQ(send(client, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
    turn();
    turn();
  }
};

TEST(Linger, SaysTheEndAtOnceAndEndsWithTheClient) {
  Answered a;
  a.start();
  char byte = 0;
  EXPECT_EQ(recv(a.client, &byte, 1, 0), 0);
  EXPECT_EQ(a.stats.downstream_lingering.get(), 1U);
  a.say(1000);
  EXPECT_FALSE(a.over);
  shutdown(a.client, SHUT_WR);
  a.turn();
  a.turn();
  EXPECT_TRUE(a.over);
  EXPECT_EQ(a.stats.downstream_lingering.get(), 0U);
}

TEST(Linger, FiveSecondsOfSilenceEndIt) {
  Answered a;
  a.start();
  a.pass(4900ms);
  EXPECT_FALSE(a.over);
  a.say(1);
  a.pass(4900ms);
  EXPECT_FALSE(a.over);
  a.pass(300ms);
  EXPECT_TRUE(a.over);
}

TEST(Linger, ThirtySecondsEndItHoweverMuchComes) {
  Answered a;
  a.start();
  for (int i = 0; i < 29; ++i) {
    a.pass(1s);
    a.say(100'000);
    ASSERT_FALSE(a.over) << i;
  }
  a.pass(1100ms);
  EXPECT_TRUE(a.over);
}

TEST(Linger, ATrickleEndsIt) {
  Answered a;
  a.start();
  for (int i = 0; i < 10; ++i) {
    a.pass(1s);
    a.say(100);
    ASSERT_FALSE(a.over) << i;
  }
  for (int i = 0; i < 2; ++i) {
    a.pass(1s);
    a.say(100);
  }
  EXPECT_TRUE(a.over) << "1,200 bytes in 12 s are less than client-min-rate";
}

TEST(Linger, AWorkerThatDrainsWaitsASecond) {
  Answered a;
  a.start();
  a.shared.draining = true;
  a.say(1);
  a.pass(900ms);
  EXPECT_FALSE(a.over);
  a.pass(300ms);
  EXPECT_TRUE(a.over);
}

TEST(Linger, NoMoreThanAThousandAtOnce) {
  Answered a;
  std::list<Linger> others;
  for (std::uint32_t i = 0; i < kMostLingering; ++i) ASSERT_TRUE(others.emplace_back(a.worker).admitted());
  a.start();
  EXPECT_TRUE(a.over);
  EXPECT_EQ(a.stats.lingering_refused.get(), 1U);
  others.pop_back();
  EXPECT_TRUE(Linger(a.worker).admitted());
  others.clear();
  EXPECT_EQ(a.stats.downstream_lingering.get(), 0U);
}

}  // namespace
}  // namespace sluice::data
