#include "net/stream.h"
#include "net/io/socket.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
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

void fill(Pair& p) {
  const std::string text(1000, 'x');
  while (send(p.stream->fd(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT) > 0) {
  }
}

void say_soon(Stream& s, std::string_view text) {
  const iovec part{const_cast<char*>(text.data()), text.size()};
  s.write_soon({&part, 1});
}

TEST(Stream, WhatIsWrittenSoonLeavesWithoutAnybodyWaiting) {
  Pair p(4096);
  p.turn();
  say_soon(*p.stream, "at once ");
  EXPECT_EQ(p.hear(), "at once ");
  fill(p);
  say_soon(*p.stream, "when the peer ");
  say_soon(*p.stream, "reads");
  const std::string before = p.hear();
  EXPECT_FALSE(before.ends_with("reads"));
  p.turn();
  EXPECT_EQ(p.hear(), "when the peer reads");
  EXPECT_EQ(p.stream->held(), 0u);
}

TEST(Stream, WhatIsWrittenSoonDoesNotTakeTheTurnOfAWriter) {
  Pair p(4096);
  p.turn();
  fill(p);
  std::optional<Status> status;
  spawn(write_all(*p.stream, "first ", status));
  say_soon(*p.stream, "second");
  EXPECT_FALSE(status);
  (void)p.hear();
  p.turn();
  EXPECT_TRUE(status && *status) << "whoever waited is resumed";
  EXPECT_EQ(p.hear(), "first second");
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

// A stream over TCP, whose peer has a small window, as what the kernel says of its buffers is of TCP.
struct TcpPair {
  FakeClock clock;
  Loop loop{clock};
  int peer = -1;
  std::unique_ptr<Stream> stream;

  // `hour`: later than that of the tests before, so that what they taught this thread is forgotten.
  explicit TcpPair(int hour) {
    clock.advance(std::chrono::hours(hour));
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    EXPECT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&at), size), 0);
    EXPECT_EQ(listen(listener, 1), 0);
    EXPECT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&at), &size), 0);
    peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int small = 4096;
    setsockopt(peer, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    EXPECT_EQ(connect(peer, reinterpret_cast<sockaddr*>(&at), size), 0);
    stream = std::make_unique<Stream>(loop, accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC),
                                      Whose::downstream, true);
    close(listener);
    loop.turn(0ms);
  }
  ~TcpPair() {
    stream.reset();
    if (peer >= 0) close(peer);
  }
};

// Pieces as large as room() says, until one does not leave whole. Returns what was written.
std::size_t write_until_full(Stream& s) {
  const std::string bytes(256 * 1024, 'x');
  std::size_t all = 0;
  for (std::size_t last = 0;;) {
    last = std::min(s.room(last), bytes.size());
    all += last;
    const iovec part{const_cast<char*>(bytes.data()), last};
    if (!s.write_now({&part, 1})) return all;
  }
}

TEST(Socket, WhatIsThisMachinesIsKnownByTheRoute) {
  EXPECT_TRUE(is_local(*parse_listen("127.0.0.1:80")));
  EXPECT_FALSE(is_local(*parse_listen("198.51.100.9:80")));
}

TEST(Stream, KeepsLittleOfWhatItsPeerDoesNotTake) {
  auto p = std::make_unique<TcpPair>(1);
  auto all = write_until_full(*p->stream);
  if (p->stream->held() > Stream::kKept) {
    // A kernel that is short of memory for sockets may break its word; ABrokenPromiseIsBelievedOnce tells of that.
    p = std::make_unique<TcpPair>(1);
    all = write_until_full(*p->stream);
  }
  EXPECT_GT(all, Stream::kKept);
  EXPECT_LE(p->stream->held(), Stream::kKept);
  EXPECT_EQ(all - p->stream->bytes_written(), p->stream->held()) << "no more memory than bytes";
}

TEST(Stream, LargePiecesAreNotCutForAPeerThatTakesThem) {
  TcpPair p(2);
  const int large = 1 << 22;
  setsockopt(p.stream->fd(), SOL_SOCKET, SO_SNDBUF, &large, sizeof large);
  EXPECT_EQ(p.stream->room(0), Stream::kPiece) << "nothing is known yet";
  EXPECT_EQ(p.stream->room(100), Stream::kPiece) << "small pieces have no need to know";
  EXPECT_GE(p.stream->room(Stream::kKept), 256u * 1024);
  EXPECT_GE(p.stream->room(0), 256u * 1024) << "known from now on";
}

// The kernel may take less than it said, when it is short of memory for sockets.
TEST(Stream, ABrokenPromiseIsBelievedOnce) {
  TcpPair a(3), b(3);
  const int large = 1 << 22, small = 4096;
  for (auto* p : {&a, &b}) {
    setsockopt(p->stream->fd(), SOL_SOCKET, SO_SNDBUF, &large, sizeof large);
    EXPECT_GE(p->stream->room(Stream::kKept), 256u * 1024);
    setsockopt(p->stream->fd(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
  }
  write_until_full(*a.stream);
  EXPECT_GT(a.stream->held(), Stream::kKept);
  write_until_full(*b.stream);
  EXPECT_LE(b.stream->held(), Stream::kKept);
  b.clock.advance(2min);
  b.loop.fresh_now();
  EXPECT_GE(b.stream->room(0), 256u * 1024) << "in a while they are";
}

}  // namespace
}  // namespace sluice::net
