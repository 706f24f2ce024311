#include "net/stream.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <optional>
#include <string>

namespace sluice::net {
namespace {

using namespace std::chrono_literals;

// A stream over one end of a socket pair, the other end in the test's hands, and a clock that the test moves.
struct Pair {
  FakeClock clock;
  Loop loop{clock};
  int other = -1;
  std::unique_ptr<Stream> stream;

  explicit Pair(int buffer = 0) {
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    if (buffer)
      for (int fd : fds) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    other = fds[1];
    stream = std::make_unique<Stream>(loop, fds[0], Whose::upstream, true);
  }
  ~Pair() {
    stream.reset();
    if (other >= 0) close(other);
  }
  void turn() { loop.turn(0ms); }
  void say(std::string_view text) {
    ASSERT_EQ(send(other, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }
  std::string hear() {
    std::string out;
    char buffer[65536];
    for (ssize_t n; (n = recv(other, buffer, sizeof buffer, 0)) > 0;) out.append(buffer, static_cast<std::size_t>(n));
    return out;
  }
};

Task<void> read_once(Stream& s, Instant until, std::optional<Status>& status, std::string& got) {
  char buffer[1024];
  auto r = s.try_read(buffer, sizeof buffer);
  if (r.io == tls::Io::again_read) {
    status = co_await s.readable(until);
    if (!*status) co_return;
    r = s.try_read(buffer, sizeof buffer);
  }
  got.assign(buffer, r.bytes);
}

TEST(Stream, WaitsForBytesAndReadsThem) {
  Pair p;
  std::optional<Status> status;
  std::string got;
  spawn(read_once(*p.stream, Instant::max(), status, got));
  p.turn();
  EXPECT_FALSE(status);
  p.say("hello");
  p.turn();
  ASSERT_TRUE(status && *status);
  EXPECT_EQ(got, "hello");
}

TEST(Stream, ADeadlineIsATimeoutOfItsSide) {
  Pair p;
  std::optional<Status> status;
  std::string got;
  spawn(read_once(*p.stream, p.clock.now() + 5s, status, got));
  p.turn();
  p.clock.advance(4s);
  p.turn();
  EXPECT_FALSE(status);
  p.clock.advance(1200ms);
  p.turn();
  ASSERT_TRUE(status);
  ASSERT_FALSE(*status);
  EXPECT_EQ(status->error().fault, Fault::timeout);
  EXPECT_EQ(status->error().whose, Whose::upstream);
}

TEST(Stream, CancelWakesTheReaderWithItsReason) {
  Pair p;
  std::optional<Status> status;
  std::string got;
  spawn(read_once(*p.stream, Instant::max(), status, got));
  p.stream->cancel(Error{Fault::cancelled, Whose::internal, Retry::no, 0, "test"});
  EXPECT_FALSE(status) << "never resumed inside cancel()";
  p.turn();
  ASSERT_TRUE(status);
  EXPECT_EQ(status->error().fault, Fault::cancelled);
}

Task<void> write_all(Stream& s, std::string text, std::optional<Status>& status) {
  const iovec part{text.data(), text.size()};
  const bool at_once = s.write_now({&part, 1});
  text.assign(text.size(), '#');  // the memory may be reused as soon as write_now returned
  if (at_once) {
    status = Status{};
    co_return;
  }
  status = co_await s.finish_write(60s);
}

TEST(Stream, AnUnsentTailIsItsOwnCopy) {
  Pair p(4096);
  std::string text(1 << 20, 'x');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i % 23);
  std::optional<Status> status;
  spawn(write_all(*p.stream, text, status));
  EXPECT_FALSE(status) << "a mebibyte does not fit into a socket of 4 KiB";
  std::string got;
  for (int i = 0; i < 100000 && !status; ++i) {
    got += p.hear();
    p.turn();
  }
  got += p.hear();
  ASSERT_TRUE(status && *status);
  EXPECT_EQ(got, text);
}

TEST(Stream, APeerThatTakesNothingIsATimeout) {
  Pair p(4096);
  std::optional<Status> status;
  spawn(write_all(*p.stream, std::string(1 << 20, 'x'), status));
  p.clock.advance(61s);
  p.turn();
  ASSERT_TRUE(status && !*status);
  EXPECT_EQ(status->error().fault, Fault::timeout);
}

TEST(Stream, APeerThatTakesTooLittleIsTooSlow) {
  Pair p(4096);
  p.stream->expect_write_rate(1'000'000);
  std::optional<Status> status;
  spawn(write_all(*p.stream, std::string(1 << 20, 'x'), status));
  char buffer[2048];
  for (int i = 0; i < 60 && !status; ++i) {
    p.clock.advance(1s);
    while (recv(p.other, buffer, sizeof buffer, 0) > 0) {
    }
    p.turn();
  }
  ASSERT_TRUE(status && !*status);
  EXPECT_EQ(status->error().fault, Fault::too_slow);
}

TEST(Stream, EndOfFileBehindBytesIsSeenAfterThem) {
  Pair p;
  p.say("last");
  shutdown(p.other, SHUT_WR);
  p.turn();
  char buffer[16];
  auto r = p.stream->try_read(buffer, sizeof buffer);
  EXPECT_EQ(r.bytes, 4u);
  r = p.stream->try_read(buffer, sizeof buffer);
  EXPECT_EQ(r.io, tls::Io::closed);
}

TEST(Stream, IdleHookFiresOnceForBytesOrTheEnd) {
  Pair p;
  int fired = 0;
  p.stream->watch_idle([](void* n, bool) { ++*static_cast<int*>(n); }, &fired);
  p.turn();
  EXPECT_EQ(fired, 0);
  p.say("x");
  p.turn();
  p.say("y");
  p.turn();
  EXPECT_EQ(fired, 1);
}

Task<Status> ends_later(Stream& s) {
  Status ready = co_await s.readable(Instant::max());
  co_return ready;
}
Task<void> fork_and_join(Stream& s, bool& joined) {
  Fork<Status> fork(ends_later(s));
  Status ended = co_await fork.join();
  joined = ended.has_value();
}

TEST(Fork, JoinWaitsForTheOther) {
  Pair p;
  bool joined = false;
  spawn(fork_and_join(*p.stream, joined));
  p.turn();
  EXPECT_FALSE(joined);
  p.say("go");
  p.turn();
  EXPECT_TRUE(joined);
}

TEST(Loop, PostedFunctionsRunOnce) {
  FakeClock clock;
  Loop loop(clock);
  int runs = 0;
  loop.post([&] {
    ++runs;
    loop.post([&] { runs += 10; });
  });
  for (int i = 0; i < 3; ++i) loop.turn(0ms);
  EXPECT_EQ(runs, 11);
}

}  // namespace
}  // namespace sluice::net
