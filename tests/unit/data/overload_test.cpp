#include "data/runtime/overload.h"

#include <gtest/gtest.h>

#include <vector>

#include "bare_worker.h"
#include "data/server/shedding.h"

namespace sluice::data {
namespace {

using namespace std::chrono_literals;

constexpr RungThresholds kDefault{850, 900, 950, 980};

TEST(Ladder, UpAtOnceAsFarAsTheFigureSays) {
  FakeClock clock;
  Ladder l;
  EXPECT_EQ(l.step(849, kDefault, clock.now()), Rung::calm);
  EXPECT_EQ(l.step(850, kDefault, clock.now()), Rung::save);
  EXPECT_EQ(l.step(900, kDefault, clock.now()), Rung::shed);
  EXPECT_EQ(l.step(949, kDefault, clock.now()), Rung::shed);
  EXPECT_EQ(l.step(950, kDefault, clock.now()), Rung::refuse);
  EXPECT_EQ(l.step(1200, kDefault, clock.now()), Rung::stop);
  Ladder sudden;
  EXPECT_EQ(sudden.step(990, kDefault, clock.now()), Rung::stop);
}

TEST(Ladder, DownOnlyBelowAMarginAndAfterAWhile) {
  FakeClock clock;
  Ladder l;
  l.step(900, kDefault, clock.now());
  clock.advance(1min);
  EXPECT_EQ(l.step(871, kDefault, clock.now()), Rung::shed) << "below the threshold, but not by the margin";
  clock.advance(1min);
  EXPECT_EQ(l.step(871, kDefault, clock.now()), Rung::shed);
  EXPECT_EQ(l.step(869, kDefault, clock.now()), Rung::shed) << "not yet";
  clock.advance(4900ms);
  EXPECT_EQ(l.step(869, kDefault, clock.now()), Rung::shed);
  clock.advance(100ms);
  EXPECT_EQ(l.step(869, kDefault, clock.now()), Rung::save);
  clock.advance(4900ms);
  EXPECT_EQ(l.step(500, kDefault, clock.now()), Rung::save);
  clock.advance(100ms);
  EXPECT_EQ(l.step(500, kDefault, clock.now()), Rung::calm);
}

TEST(Ladder, OneHighFigureKeepsTheRung) {
  FakeClock clock;
  Ladder l;
  l.step(910, kDefault, clock.now());
  for (int i = 0; i < 10; ++i) {
    clock.advance(4s);
    EXPECT_EQ(l.step(500, kDefault, clock.now()), Rung::shed);
    clock.advance(500ms);
    EXPECT_EQ(l.step(880, kDefault, clock.now()), Rung::shed);
  }
}

// What clients feel ends as soon as it may, what they do not stays for a while.
TEST(Ladder, RefusingEndsSoon) {
  FakeClock clock;
  Ladder l;
  l.step(990, kDefault, clock.now());
  clock.advance(199ms);
  EXPECT_EQ(l.step(600, kDefault, clock.now()), Rung::stop);
  clock.advance(1ms);
  EXPECT_EQ(l.step(600, kDefault, clock.now()), Rung::shed);
  clock.advance(4999ms);
  EXPECT_EQ(l.step(600, kDefault, clock.now()), Rung::shed);
  clock.advance(1ms);
  EXPECT_EQ(l.step(600, kDefault, clock.now()), Rung::calm);
  l.step(990, kDefault, clock.now());
  clock.advance(200ms);
  EXPECT_EQ(l.step(940, kDefault, clock.now()), Rung::refuse) << "down by one where the figure says no more";
}

TEST(Ladder, ARungWithoutThresholdIsNeverReached) {
  FakeClock clock;
  Ladder l;
  EXPECT_EQ(l.step(1000, {850, 0, 0, 0}, clock.now()), Rung::save);
  EXPECT_EQ(l.step(1000, {0, 0, 950, 0}, clock.now()), Rung::refuse);
  Ladder off;
  EXPECT_EQ(off.step(5000, {}, clock.now()), Rung::calm);
}

struct Memory {
  FakeClock clock;
  MemoryFigures now{0, 64'000'000};
  std::vector<Rung> changes;
  Overload overload{clock, [this] { return now; }, 2};
  Memory() {
    overload.on_change([this](Rung r) { changes.push_back(r); });
  }
  Rung at(std::uint64_t used) {
    now.used = used;
    overload.look();
    return overload.rung();
  }
};

TEST(Overload, TellsOfEachChangeOnce) {
  Memory m;
  EXPECT_EQ(m.at(10'000'000), Rung::calm);
  EXPECT_EQ(m.at(60'000'000), Rung::shed);
  EXPECT_EQ(m.at(60'100'000), Rung::shed);
  m.clock.advance(10s);
  EXPECT_EQ(m.at(10'000'000), Rung::calm);
  EXPECT_EQ(m.changes, (std::vector{Rung::shed, Rung::calm}));
  EXPECT_EQ(m.overload.take_highest(), Rung::shed) << "seen though it is over";
  EXPECT_EQ(m.overload.take_highest(), Rung::calm);
}

// Between two looks two workers cannot grow past the next rung.
TEST(Overload, WorkersLookTheSoonerTheNearerTheNextRungIs) {
  Memory m;
  m.at(14'400'000);
  EXPECT_EQ(m.overload.step(), 40'000'000u / 8);
  EXPECT_EQ(m.overload.interval(), 1s);
  m.at(52'400'000);
  EXPECT_EQ(m.overload.step(), 2'000'000u / 8);
  EXPECT_EQ(m.overload.interval(), 100ms);
  m.at(54'399'999);
  EXPECT_EQ(m.overload.step(), 128u * 1024) << "a look is not for nothing";
}

TEST(Overload, ExcessIsWhatTheRungOfResetsAimsBelow) {
  Memory m;
  m.at(50'000'000);
  EXPECT_EQ(m.overload.excess(), 0u);
  m.at(58'000'000);
  EXPECT_EQ(m.overload.excess(), 58'000'000u - 55'680'000u);
  m.overload.set_thresholds({850, 0, 950, 980});
  m.at(58'000'000);
  EXPECT_EQ(m.overload.excess(), 0u) << "that rung is off";
}

TEST(Overload, WithoutALimitNothingHappens) {
  Memory m;
  m.now.limit = 0;
  EXPECT_EQ(m.at(1ULL << 50), Rung::calm);
  EXPECT_EQ(m.overload.excess(), 0u);
  EXPECT_GT(m.overload.step(), 1ULL << 30);
  EXPECT_EQ(m.overload.figures().share(), 0u);
}

TEST(Overload, WhatTheSlowOnesOfAllWorkersHold) {
  Memory m;
  EXPECT_EQ(m.overload.report_slow(30'000), 30'000);
  EXPECT_EQ(m.overload.report_slow(20'000), 50'000);
  EXPECT_EQ(m.overload.report_slow(-50'000), 0);
}

struct Clients {
  FakeClock clock;
  std::vector<Holding> all;
  Clients() { clock.advance(1h); }
  void add(Holding::Kind kind, std::size_t bytes, Duration age) {
    all.push_back({kind, bytes, clock.now() - age, nullptr, nullptr});
  }
  std::vector<std::size_t> ended(bool others_too) {
    std::vector<std::size_t> out;
    for (const Holding& h : whom_to_end(all, others_too, clock.now())) out.push_back(h.bytes);
    return out;
  }
};

TEST(WhomToEnd, TheSlowestFirst) {
  Clients c;
  c.add(Holding::Kind::slow, 1000, 2s);
  c.add(Holding::Kind::slow, 30'000, 1s);
  c.add(Holding::Kind::slow, 30'001, 300ms);
  c.add(Holding::Kind::slow, 40'000, 249ms);  // pauses
  c.add(Holding::Kind::idle, 6000, 1h);
  EXPECT_EQ(c.ended(false), (std::vector<std::size_t>{30'000, 30'001, 1000}));
  EXPECT_EQ(held_by_slow(c.all, c.clock.now()), 61'001u);
}

TEST(WhomToEnd, OthersOnlyBehindThem) {
  Clients c;
  c.add(Holding::Kind::idle, 6000, 10s);
  c.add(Holding::Kind::idle, 6001, 999ms);  // was served just now
  c.add(Holding::Kind::slow, 40'000, 200ms);
  c.add(Holding::Kind::slow, 2000, 250ms);
  EXPECT_EQ(c.ended(true), (std::vector<std::size_t>{2000, 6000, 40'000}));
  EXPECT_EQ(c.ended(false), (std::vector<std::size_t>{2000}));
  c.all.clear();
  EXPECT_TRUE(c.ended(true).empty());
}

// A process that starts where memory is short already.
TEST(OverloadedWorker, TurnsBeforeAnythingWasPublished) {
  BareWorker bare;
  for (const std::uint64_t used : {860, 910, 960, 990}) {
    bare.figures = {used, 1000};
    bare.overload.look();
    bool turned = false;
    bare.worker.loop.post([&] { turned = true; });
    bare.worker.loop.turn(0s);
    EXPECT_TRUE(turned);
    bare.clock.advance(1s);
  }
  EXPECT_EQ(bare.overload.rung(), Rung::stop);
}

}  // namespace
}  // namespace sluice::data
