#include "data/server/turned_away.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "bare_worker.h"

namespace sluice::data {
namespace {

using namespace std::chrono_literals;

// A worker without listeners, a clock that the test moves, and clients that it turns away.
struct Turned : BareWorker {
  std::vector<int> clients;
  TurnedAway away{worker};

  ~Turned() {
    for (const int fd : clients) close(fd);
  }
  int come() {
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    away.tell(fds[0]);
    clients.push_back(fds[1]);
    return fds[1];
  }
  void turn() { worker.loop.turn(0ms); }
  void pass(Duration time) {
    clock.advance(time);
    turn();
    turn();
  }
};

std::string heard(int client) {
  char bytes[512];
  std::string out;
  for (ssize_t n = 0; (n = recv(client, bytes, sizeof bytes, 0)) > 0;) out.append(bytes, static_cast<std::size_t>(n));
  return out;
}

// Has the other side been closed, and not only its half of writing?
bool is_closed(int client) {
  return send(client, "x", 1, MSG_NOSIGNAL) < 0;
}

TEST(TurnedAway, TheAnswerArrivesAndWhatIsSentIsThrownAway) {
  Turned t;
  const int client = t.come();
  EXPECT_EQ(heard(client), kBusyAnswer);
  const std::string piece(10'000, 'x');
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(send(client, piece.data(), piece.size(), MSG_NOSIGNAL), static_cast<ssize_t>(piece.size())) << i;
    t.turn();
  }
  EXPECT_EQ(t.stats.downstream_lingering.get(), 1U);
  // It ends with its client.
  shutdown(client, SHUT_WR);
  t.turn();
  EXPECT_EQ(t.away.size(), 0U);
  EXPECT_EQ(t.stats.downstream_lingering.get(), 0U);
}

TEST(TurnedAway, ForAMomentWhateverTheClientDoes) {
  Turned t;
  const int silent = t.come();
  t.pass(500ms);
  const int later = t.come();
  t.pass(450ms);
  EXPECT_EQ(t.away.size(), 2U);
  t.pass(200ms);
  EXPECT_EQ(t.away.size(), 1U);
  EXPECT_TRUE(is_closed(silent));
  EXPECT_FALSE(is_closed(later));
  t.pass(500ms);
  EXPECT_EQ(t.away.size(), 0U);
}

TEST(TurnedAway, SoManyBytes) {
  Turned t;
  const int client = t.come();
  const std::string piece(64 * 1024, 'x');
  std::size_t sent = 0;
  while (sent < 2 * kMostOfTurnedAway) {
    const auto n = send(client, piece.data(), piece.size(), MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) break;
    if (n > 0) sent += static_cast<std::size_t>(n);
    t.turn();
  }
  EXPECT_GE(sent, kMostOfTurnedAway);
  EXPECT_LT(sent, kMostOfTurnedAway + (1U << 20));
  EXPECT_EQ(t.away.size(), 0U);
}

TEST(TurnedAway, SoManyAtOnce) {
  Turned t;
  for (std::size_t i = 0; i < kMostTurnedAway; ++i) t.come();
  EXPECT_EQ(t.away.size(), kMostTurnedAway);
  const int more = t.come();
  EXPECT_EQ(t.away.size(), kMostTurnedAway);
  EXPECT_EQ(t.stats.lingering_refused.get(), 1U);
  EXPECT_EQ(heard(more), kBusyAnswer);
  EXPECT_TRUE(is_closed(more));
  close(t.clients.front());
  t.clients.erase(t.clients.begin());
  t.turn();
  EXPECT_EQ(t.away.size(), kMostTurnedAway - 1);
}

}  // namespace
}  // namespace sluice::data
