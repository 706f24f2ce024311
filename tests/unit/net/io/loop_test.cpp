#include "net/io/loop.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <deque>

namespace sluice::net {
namespace {

using namespace std::chrono_literals;

// Descriptors that are ready, and whose events take time to handle.
struct Ready {
  struct One final : Watcher {
    FakeClock* clock = nullptr;
    Duration takes{};
    int fd = -1, seen = 0;
    void on_events(std::uint32_t) override {
      ++seen;
      clock->advance(takes);
    }
  };
  FakeClock clock;
  Loop loop{clock};
  std::deque<One> all;
  std::vector<Turn> turns;

  Ready(int count, Duration takes) {
    loop.on_turn = [this](const Turn& t) { turns.push_back(t); };
    for (int i = 0; i < count; ++i) {
      One& one = all.emplace_back();
      one.clock = &clock;
      one.takes = takes;
      one.fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
      loop.add(one.fd, EPOLLIN | EPOLLET, &one);
    }
  }
  ~Ready() {
    for (One& one : all) {
      loop.remove(one.fd, &one);
      close(one.fd);
    }
  }
};

TEST(Loop, WhatIsReadyWaitsForATurn) {
  Ready r(100, 10us);
  r.loop.turn(0ms);
  ASSERT_EQ(r.turns.size(), 1U);
  EXPECT_EQ(r.turns[0].took, 1ms);
  EXPECT_EQ(r.turns[0].waited, 1ms);
  r.clock.advance(1s);
  r.loop.turn(0ms);
  EXPECT_EQ(r.turns[1].took, 0ms);
  EXPECT_EQ(r.turns[1].waited, 0ms);
  EXPECT_EQ(r.turns[1].begun - r.turns[0].begun, 1s + 1ms);
}

// A turn takes 256 of them: those behind wait for several, which each of the turns alone does not show.
TEST(Loop, WhatDoesNotFitIntoATurnWaitsForSeveral) {
  Ready r(256 * 4 + 100, 10us);
  for (int i = 0; i < 5; ++i) r.loop.turn(0ms);
  for (const auto& one : r.all) EXPECT_EQ(one.seen, 1);
  ASSERT_EQ(r.turns.size(), 5U);
  EXPECT_EQ(r.turns[0].waited, 2560us);
  EXPECT_EQ(r.turns[1].waited, 2560us);
  EXPECT_EQ(r.turns[2].waited, 2 * 2560us);
  EXPECT_EQ(r.turns[3].waited, 3 * 2560us) << "none of those that came before the mark is forgotten meanwhile";
  EXPECT_EQ(r.turns[4].took, 1ms);
  EXPECT_EQ(r.turns[4].waited, 3 * 2560us + 1ms) << "now the mark has come";
  r.loop.turn(0ms);
  EXPECT_EQ(r.turns[5].waited, 0ms);
}

}  // namespace
}  // namespace sluice::net
