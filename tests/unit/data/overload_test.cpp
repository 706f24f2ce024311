#include "data/runtime/overload.h"

#include <gtest/gtest.h>

#include <vector>

#include "bare_worker.h"
#include "data/server/shedding.h"

namespace sluice::data {
namespace {

using namespace std::chrono_literals;

constexpr RungThresholds kDefault{850, 900, 930, 950, 980};

struct OneSource {
  Source source = Source::memory;
  FakeClock clock{};
  Ladder ladder{};
  Held held(unsigned share, const RungThresholds& options = kDefault) {
    return ladder.step(source, share, steps_of(source, options), clock.now());
  }
  Rung at(unsigned share, const RungThresholds& options = kDefault) { return held(share, options).highest(); }
};

TEST(Held, ABitForEachPair) {
  Held h;
  EXPECT_TRUE(h.none());
  EXPECT_EQ(h.highest(), Rung::calm);
  EXPECT_FALSE(h.refuses());
  h.set(Source::descriptors, Rung::shed);
  h.set(Source::lag, Rung::save);
  EXPECT_TRUE(h.by(Source::descriptors, Rung::shed));
  EXPECT_FALSE(h.by(Source::descriptors, Rung::save));
  EXPECT_FALSE(h.by(Source::memory, Rung::shed));
  EXPECT_TRUE(h.any(Rung::shed));
  EXPECT_TRUE(h.any(Rung::save));
  EXPECT_FALSE(h.any(Rung::low));
  EXPECT_FALSE(h.refuses());
  EXPECT_EQ(h.highest(), Rung::shed);
  EXPECT_EQ(h.of(Source::lag).highest(), Rung::save);
  EXPECT_TRUE(h.of(Source::connections).none());
  for (const Source s : kAllSources)
    for (const Rung r : {Rung::low, Rung::refuse, Rung::stop}) {
      Held one;
      one.set(s, r);
      EXPECT_TRUE(one.refuses());
      EXPECT_EQ(one.of(s), one);
    }
}

TEST(Ladder, UpAtOnceAsFarAsTheFigureSays) {
  OneSource m;
  EXPECT_EQ(m.at(849), Rung::calm);
  EXPECT_EQ(m.at(850), Rung::save);
  EXPECT_EQ(m.at(900), Rung::shed);
  EXPECT_EQ(m.at(929), Rung::shed);
  EXPECT_EQ(m.at(930), Rung::low);
  EXPECT_EQ(m.at(950), Rung::refuse);
  EXPECT_EQ(m.at(1200), Rung::stop);
  OneSource sudden;
  const Held all = sudden.held(990);
  for (const Rung r : {Rung::save, Rung::shed, Rung::low, Rung::refuse, Rung::stop}) EXPECT_TRUE(all.any(r));
}

TEST(Ladder, DownOnlyBelowAMarginAndAfterAWhile) {
  OneSource m;
  m.at(900);
  m.clock.advance(1min);
  EXPECT_EQ(m.at(871), Rung::shed) << "below the threshold, but not by the margin";
  m.clock.advance(1min);
  EXPECT_EQ(m.at(870), Rung::shed);
  EXPECT_EQ(m.at(869), Rung::shed) << "not yet";
  m.clock.advance(4900ms);
  EXPECT_EQ(m.at(869), Rung::shed);
  m.clock.advance(100ms);
  EXPECT_EQ(m.at(869), Rung::save);
  m.clock.advance(4900ms);
  EXPECT_EQ(m.at(500), Rung::save);
  m.clock.advance(100ms);
  EXPECT_EQ(m.at(500), Rung::calm);
}

TEST(Ladder, OneHighFigureKeepsTheRung) {
  OneSource m;
  m.at(910);
  for (int i = 0; i < 10; ++i) {
    m.clock.advance(4s);
    EXPECT_EQ(m.at(500), Rung::shed);
    m.clock.advance(500ms);
    EXPECT_EQ(m.at(880), Rung::shed);
  }
}

// What clients feel ends as soon as it may, what they do not stays for a while.
TEST(Ladder, RefusingEndsSoon) {
  OneSource m{Source::connections};
  m.at(940);
  m.clock.advance(199ms);
  EXPECT_EQ(m.at(600), Rung::low);
  m.clock.advance(1ms);
  EXPECT_EQ(m.at(600), Rung::shed);
  m.clock.advance(4799ms);
  EXPECT_EQ(m.at(600), Rung::shed);
  m.clock.advance(1ms);
  EXPECT_EQ(m.at(600), Rung::calm);
}

// What a reset gave back is there for whoever asks next: with the margin alone nobody is refused for a flood that is
// over.
TEST(Ladder, RefusingForWantOfMemoryEndsWithIt) {
  OneSource m;
  EXPECT_EQ(m.at(990), Rung::stop);
  EXPECT_EQ(m.at(951), Rung::stop) << "below the threshold, but not by the margin";
  EXPECT_EQ(m.at(940), Rung::refuse) << "down by one where the figure says no more";
  EXPECT_EQ(m.at(919), Rung::low);
  EXPECT_EQ(m.at(899), Rung::shed);
  m.clock.advance(5s);
  EXPECT_EQ(m.at(600), Rung::calm);
}

TEST(Ladder, ARungWithoutThresholdIsNeverReached) {
  OneSource m;
  EXPECT_EQ(m.at(1000, {850, 0, 0, 0, 0}), Rung::save);
  EXPECT_EQ(m.at(1000, {0, 0, 0, 950, 0}), Rung::refuse);
  for (const Source s : kAllSources) {
    OneSource off{.source = s};
    EXPECT_TRUE(off.held(50'000, {}).none());
  }
  EXPECT_TRUE(m.held(1000, {}).none()) << "one that is turned off ends at once";
}

// Who has a connection needs descriptors for pods: nobody new comes before anybody is refused.
TEST(Ladder, OfDescriptorsAcceptingStopsBeforeRequestsAreRefused) {
  OneSource d{.source = Source::descriptors};
  Held h = d.held(950);
  EXPECT_TRUE(h.any(Rung::stop));
  EXPECT_FALSE(h.any(Rung::refuse));
  EXPECT_TRUE(h.any(Rung::low));
  h = d.held(980);
  EXPECT_TRUE(h.any(Rung::refuse));
  EXPECT_TRUE(d.held(920).any(Rung::stop));
  h = d.held(919);
  EXPECT_FALSE(h.any(Rung::stop)) << "who waits for one waits no longer than it must";
  EXPECT_TRUE(h.any(Rung::refuse));
}

TEST(Ladder, OfConnectionsNeitherIsReached) {
  OneSource c{.source = Source::connections};
  EXPECT_EQ(c.at(1000), Rung::low);
}

TEST(Ladder, OfLagRungsStandFarApartAndNobodyIsReset) {
  OneSource l{.source = Source::lag};
  EXPECT_EQ(l.at(999), Rung::calm);
  EXPECT_EQ(l.at(1000), Rung::save);
  EXPECT_EQ(l.at(2000), Rung::low);
  EXPECT_FALSE(l.held(2000).any(Rung::shed));
  EXPECT_EQ(l.at(4000), Rung::refuse);
  EXPECT_EQ(l.at(8000), Rung::stop);
  l.clock.advance(1s);
  EXPECT_EQ(l.at(6000), Rung::stop) << "three quarters of the threshold";
  l.clock.advance(199ms);
  EXPECT_EQ(l.at(5999), Rung::stop);
  l.clock.advance(1ms);
  EXPECT_EQ(l.at(5999), Rung::refuse);
}

struct Memory {
  FakeClock clock;
  MemoryFigures now{0, 64'000'000};
  std::vector<Rung> changes;
  Overload overload{clock, [this] { return now; }, 2};
  Memory() {
    overload.on_change([this](Held h) { changes.push_back(h.highest()); });
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
  EXPECT_EQ(m.at(58'000'000), Rung::shed);
  EXPECT_EQ(m.at(58'100'000), Rung::shed);
  m.clock.advance(10s);
  EXPECT_EQ(m.at(10'000'000), Rung::calm);
  EXPECT_EQ(m.changes, (std::vector{Rung::shed, Rung::calm}));
  EXPECT_EQ(m.overload.take_highest(Source::memory), Rung::shed) << "seen though it is over";
  EXPECT_EQ(m.overload.take_highest(Source::memory), Rung::calm);
  EXPECT_EQ(m.overload.take_highest(Source::connections), Rung::calm);
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
  m.overload.set_thresholds({850, 0, 930, 950, 980});
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

struct Crowd : Memory {
  Overload::Counts counts{{100, 1064}, {50, 800}};  // 64 descriptors are for pods
  Crowd() {
    now = {};
    overload.count_by([this] { return counts; });
  }
  Held at(std::uint64_t descriptors, std::uint64_t connections) {
    counts.descriptors.used = descriptors;
    counts.connections.used = connections;
    overload.look();
    return overload.held();
  }
};

TEST(Overload, DescriptorsAndConnectionsAreSourcesOfTheirOwn) {
  Crowd c;
  EXPECT_TRUE(c.at(100, 50).none());
  EXPECT_EQ(c.overload.interval(), 1s);
  EXPECT_EQ(c.overload.pressure(Source::descriptors), 100u);
  EXPECT_EQ(c.overload.pressure(Source::connections), 62u);
  EXPECT_EQ(c.overload.pressure(Source::memory), 0u);
  Held h = c.at(860, 700);
  EXPECT_TRUE(h.by(Source::descriptors, Rung::save));
  EXPECT_TRUE(h.by(Source::connections, Rung::save));
  EXPECT_TRUE(h.of(Source::memory).none());
  EXPECT_EQ(c.overload.excess_clients(), 0u);
  EXPECT_EQ(c.overload.interval(), 100ms);
  h = c.at(910, 730);
  EXPECT_EQ(h.highest(), Rung::shed);
  EXPECT_EQ(c.overload.excess(), 0u) << "nobody is ended for memory";
  EXPECT_EQ(c.overload.excess_clients(), 40u) << "descriptors: 910 - 870; connections: 730 - 696";
  EXPECT_EQ(c.at(100, 730).highest(), Rung::shed);
  h = c.at(1042, 50);
  EXPECT_TRUE(h.by(Source::descriptors, Rung::stop));
  EXPECT_FALSE(h.by(Source::descriptors, Rung::refuse)) << "connections to pods have what is left for them";
  EXPECT_TRUE(c.at(1043, 50).by(Source::descriptors, Rung::refuse)) << "98 % of all";
  c.clock.advance(10s);
  EXPECT_EQ(c.at(880, 730).highest(), Rung::shed);
  EXPECT_EQ(c.overload.take_highest(Source::descriptors), Rung::stop);
  EXPECT_EQ(c.overload.take_highest(Source::connections), Rung::shed);
}

// Whoever accepts looks at the moment at which a rung is reached, and not before.
TEST(Overload, ClientsAndDescriptorsAtWhichSomebodyLooks) {
  Crowd c;
  c.at(100, 50);
  EXPECT_FALSE(c.overload.is_crowded(50 + 374, 849));
  EXPECT_TRUE(c.overload.is_crowded(50 + 375, 0)) << "their requests may have taken as many descriptors";
  EXPECT_TRUE(c.overload.is_crowded(0, 850));
  c.at(100, 679);
  EXPECT_FALSE(c.overload.is_crowded(679, 0));
  EXPECT_TRUE(c.overload.is_crowded(680, 0));
  c.at(100, 680);
  EXPECT_FALSE(c.overload.is_crowded(719, 0));
  EXPECT_TRUE(c.overload.is_crowded(720, 0));
  c.at(990, 10);
  EXPECT_FALSE(c.overload.is_crowded(600, 1'000'000)) << "no rung is left";
  Memory nothing_counted;
  nothing_counted.at(1);
  EXPECT_FALSE(nothing_counted.overload.is_crowded(1'000'000, 1'000'000));
}

TEST(Overload, TheWorkerThatIsFarthestBehindIsNamed) {
  Memory m;
  m.overload.set_thresholds(kDefault, 50ms);
  Held low;
  low.set(Source::lag, Rung::low);
  m.overload.report_lag(0, 10ms, {});
  m.overload.report_lag(1, 110ms, low);
  m.overload.report_lag(7, 9s, low);  // there is none
  EXPECT_EQ(m.overload.worst_lag().worker, 1u);
  EXPECT_EQ(m.overload.pressure(Source::lag), 2200u);
  EXPECT_TRUE(m.overload.held().none()) << "what one worker does for it the others need not";
  EXPECT_EQ(m.overload.held_by_anybody(), low);
  m.overload.report_lag(1, 1ms, {});
  EXPECT_EQ(m.overload.take_highest(Source::lag), Rung::low) << "seen though it is over";
  EXPECT_EQ(m.overload.take_highest(Source::lag), Rung::calm);
  m.overload.set_thresholds(kDefault);
  EXPECT_EQ(m.overload.pressure(Source::lag), 0u);
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

TEST(WhomToClose, IdleOnesFirstAndThoseForLongest) {
  Clients c;
  const auto with_connection = [&](Holding::Kind kind, std::size_t mark, Duration age) {
    c.add(kind, mark, age);
    c.all.back().connection = reinterpret_cast<net::Stream*>(&c);  // looked at, not used
  };
  with_connection(Holding::Kind::slow, 1, 1h);
  with_connection(Holding::Kind::slow, 2, 2h);
  with_connection(Holding::Kind::slow, 3, 999ms);
  with_connection(Holding::Kind::idle, 4, 5s);
  with_connection(Holding::Kind::idle, 5, 999ms);
  with_connection(Holding::Kind::idle, 6, 10s);
  c.add(Holding::Kind::slow, 7, 3h);  // a stream: its connection goes on
  with_connection(Holding::Kind::idle, 8, 2s);
  c.all.back().unused = true;
  with_connection(Holding::Kind::slow, 9, 3s);
  c.all.back().unused = true;
  std::vector<std::size_t> out;
  for (const Holding& h : whom_to_close(c.all, c.clock.now())) out.push_back(h.bytes);
  EXPECT_EQ(out, (std::vector<std::size_t>{8, 6, 4, 9, 2, 1}));
}

// A worker whose turns take long: what it gives up, and that it takes it back.
TEST(OverloadedWorker, IsBehindForItself) {
  BareWorker bare;
  bare.overload.set_thresholds(kDefault, 20ms);
  const auto turn = [&](Duration work) {
    bare.worker.loop.post([&bare, work] { bare.clock.advance(work); });
    bare.worker.loop.turn(0s);
  };
  turn(1ms);
  EXPECT_TRUE(bare.worker.held().none());
  turn(90ms);
  EXPECT_EQ(bare.worker.held().highest(), Rung::save) << "one long turn is not all there is: a quarter of it at most";
  for (int i = 0; i < 10; ++i) turn(70ms);
  EXPECT_EQ(bare.worker.held().highest(), Rung::low);
  EXPECT_FALSE(bare.worker.ends_connections()) << "a new connection costs more than one that is there";
  EXPECT_TRUE(bare.overload.held().none());
  EXPECT_EQ(bare.overload.held_by_anybody().highest(), Rung::low);
  EXPECT_NEAR(static_cast<double>(bare.stats.loop_lag_ns.get()), 69e6, 3e6);
  bare.clock.advance(300ms);  // it has nothing to do
  turn(0ms);
  EXPECT_EQ(bare.worker.held().highest(), Rung::save);
  bare.clock.advance(5s);
  turn(0ms);
  turn(0ms);
  EXPECT_TRUE(bare.worker.held().none());
}

// A process that starts where memory is short already.
TEST(OverloadedWorker, TurnsBeforeAnythingWasPublished) {
  BareWorker bare;
  for (const std::uint64_t used : {860, 910, 940, 960, 990}) {
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
