// Counters of clients: nginx's arithmetic, who is forgotten, and many threads at once.
#include "data/runtime/limit_table.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <thread>

namespace sluice::data {
namespace {

using Key = LimitTable::Key;
using Rate = LimitTable::Rate;

constexpr Key kClient{0x123456789abcdef0, 7};

// A counter of the bucket that the highest bits say.
Key in_bucket(std::uint64_t bucket, std::uint64_t number, std::uint16_t tenant) {
  return {bucket << 47 | (number + 2), tenant};
}

constexpr Rate a_second(std::uint32_t limit, std::uint32_t multiplier) {
  return {limit * 1000, limit * multiplier * 1000};
}
constexpr Rate a_minute(std::uint32_t limit, std::uint32_t multiplier) {
  return {limit * 1000 / 60, limit * multiplier * 1000};
}

TEST(LimitTable, CountsAsNginxDoes) {
  struct Case {
    std::uint32_t before, ms, rate;
    std::uint64_t after;
  };
  for (const auto& c : {
           Case{0, 0, 1000, 1000},         // two at the same moment
           Case{0, 1, 1000, 999},          // a thousandth of a request each millisecond
           Case{0, 1000, 1000, 0},         // as many as allowed
           Case{0, 5000, 1000, 0},         // never below nothing
           Case{5000, 200, 5000, 5000},    // 5r/s: one each 200 ms
           Case{25000, 199, 5000, 25005},  // a millisecond too early
           Case{5000, 1, 16, 6000},        // 1r/m is 16 thousandths a second, and less than one is nothing
           Case{5000, 62, 16, 6000},       // still
           Case{5000, 63, 16, 5999},       // now
           Case{5000, 60'000, 16, 5040},   // so that a minute gives less than one request
           Case{5000, 62'500, 16, 5000},
           Case{5000, 60'000, 1666, 0},
           Case{4'000'000'000, 0, 1, 4'000'001'000},
           Case{4'000'000'000, 0xffffffff, 2'000'000'000, 0},
       })
    EXPECT_EQ(LimitTable::excess_after(c.before, c.ms, c.rate), c.after) << c.before << " " << c.ms << " " << c.rate;
}

// limit-rps 5: 26 at once, and what comes each 4 ms after that is let through when a further 200 ms are over.
TEST(LimitTable, HammeringIsLetThroughAtTheRate) {
  LimitTable table;
  const Rate rate = a_second(5, 5);
  for (int i = 0; i < 26; ++i) EXPECT_TRUE(table.charge(kClient, rate, 1'000'000).admitted) << i;
  EXPECT_FALSE(table.charge(kClient, rate, 1'000'000).admitted);
  std::vector<std::uint32_t> admitted;
  for (std::uint32_t ms = 0; ms <= 1000; ms += 4)
    if (table.charge(kClient, rate, 1'000'000 + ms).admitted) admitted.push_back(ms);
  EXPECT_EQ(admitted, (std::vector<std::uint32_t>{200, 400, 600, 800, 1000}));
}

// After the burst a pause, and then eight at once.
TEST(LimitTable, APauseGivesBackWhatItLasts) {
  struct Case {
    std::uint32_t pause;
    int admitted;
  };
  for (const auto& c : {Case{1, 0}, Case{10, 0}, Case{50, 0}, Case{100, 0}, Case{180, 0}, Case{199, 0}, Case{200, 1},
                        Case{250, 1}, Case{400, 2}, Case{1000, 5}, Case{5000, 8}}) {
    LimitTable table;
    const Rate rate = a_second(5, 5);
    for (int i = 0; i < 26; ++i) table.charge(kClient, rate, 0);
    int admitted = 0;
    for (int i = 0; i < 8; ++i) admitted += table.charge(kClient, rate, c.pause).admitted ? 1 : 0;
    EXPECT_EQ(admitted, c.admitted) << c.pause;
  }
}

TEST(LimitTable, ARefusalChangesNothing) {
  LimitTable table;
  const Rate rate = a_minute(1, 5);
  for (int i = 0; i < 6; ++i) EXPECT_TRUE(table.charge(kClient, rate, 0).admitted);
  const auto refused = table.charge(kClient, rate, 0);
  EXPECT_FALSE(refused.admitted);
  EXPECT_EQ(refused.excess, 6000U);
  EXPECT_EQ(table.charge(kClient, rate, 1000).excess, 5984U) << "since the last one that was admitted";
  EXPECT_EQ(table.charge(kClient, rate, 1063).excess, 5983U);
  EXPECT_TRUE(table.charge(kClient, rate, 62'500).admitted);
}

TEST(LimitTable, JudgingChargesNothing) {
  LimitTable table;
  const Rate rate = a_second(1, 1);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(table.judge(kClient, rate, 0).admitted);
  EXPECT_TRUE(table.charge(kClient, rate, 0).admitted);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(table.judge(kClient, rate, 0).excess, 1000U);
  EXPECT_TRUE(table.charge(kClient, rate, 0).admitted);
  EXPECT_FALSE(table.judge(kClient, rate, 0).admitted);
}

// Each limit that looks at a counter has a burst of its own, and a change of numbers keeps what was counted.
TEST(LimitTable, ACounterOutlivesItsNumbers) {
  LimitTable table;
  for (int i = 0; i < 26; ++i) EXPECT_TRUE(table.charge(kClient, a_second(5, 5), 0).admitted);
  EXPECT_FALSE(table.charge(kClient, a_second(5, 1), 0).admitted);
  EXPECT_FALSE(table.charge(kClient, a_second(5, 5), 0).admitted);
  EXPECT_TRUE(table.charge(kClient, a_second(10, 5), 0).admitted);
}

TEST(LimitTable, ClientsAndLimitsHaveCountersOfTheirOwn) {
  LimitTable table;
  const Rate rate = a_second(1, 1);
  for (std::uint64_t client = 0; client < 1000; ++client) {
    const Key key{client * 0x9e3779b97f4a7c15, 1};
    EXPECT_TRUE(table.charge(key, rate, 0).admitted);
    EXPECT_TRUE(table.charge(key, rate, 0).admitted);
    EXPECT_FALSE(table.charge(key, rate, 0).admitted);
  }
}

TEST(LimitTable, ClocksOfWorkersDiffer) {
  LimitTable table;
  const Rate rate = a_second(1, 1);
  EXPECT_TRUE(table.charge(kClient, rate, 5000).admitted);
  EXPECT_EQ(table.charge(kClient, rate, 4990).excess, 1000U) << "no time has passed, and not seven weeks";
  EXPECT_EQ(table.judge(kClient, rate, 5000).excess, 2000U);
}

TEST(LimitTable, MillisecondsGoAround) {
  LimitTable table;
  const Rate rate = a_second(1, 1);
  EXPECT_TRUE(table.charge(kClient, rate, 0xffffff00).admitted);
  EXPECT_EQ(table.charge(kClient, rate, 0xffffff00).excess, 1000U);
  EXPECT_EQ(table.charge(kClient, rate, 0x100).excess, 1488U) << "512 ms later";
}

TEST(LimitTable, ACounterIsSmall) {
  EXPECT_LE(LimitTable::kBytesOfRate, 64U);
  EXPECT_LE(LimitTable::kBytesOfCount, 64U);
}

// Who asks on, refused or not, is remembered; who has not asked for longest is not.
TEST(LimitTable, TheOldestIsForgottenWhereAllPlacesAreTaken) {
  LimitTable table;
  const Rate rate = a_second(1, 1);
  const auto admitted = [&](std::uint64_t n, std::uint32_t now) {
    return table.charge(in_bucket(3, n, 1), rate, now).admitted;
  };
  for (std::uint64_t n = 0; n < LimitTable::kWays; ++n)
    for (int i = 0; i < 2; ++i) EXPECT_TRUE(admitted(n, static_cast<std::uint32_t>(n)));
  EXPECT_FALSE(admitted(0, 20)) << "it is known";
  const auto said = table.charge(in_bucket(3, 100, 1), rate, 21);
  EXPECT_TRUE(said.admitted && said.forgot && said.counted);
  EXPECT_FALSE(admitted(0, 22)) << "it was refused a moment ago, and is still known";
  EXPECT_TRUE(admitted(1, 23)) << "it was not used for longest, and begins anew";
}

TEST(LimitTable, ATenantDrivesOutHisOwn) {
  LimitTable table;
  const Rate rate = a_second(1, 1);
  const Key victim = in_bucket(9, 1, 1);
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(table.charge(victim, rate, 0).admitted);
  for (std::uint64_t n = 0; n < 100'000; ++n) EXPECT_TRUE(table.charge(in_bucket(9, 1000 + n, 2), rate, 10).admitted);
  EXPECT_FALSE(table.charge(victim, rate, 10).admitted) << "its counter is there in spite of all the others";
  // It gets more when it needs more, up to its half.
  for (std::uint64_t n = 2; n <= LimitTable::kWays / 2; ++n)
    for (int i = 0; i < 2; ++i) EXPECT_TRUE(table.charge(in_bucket(9, n, 1), rate, 11).admitted);
  for (std::uint64_t n = 0; n < 1000; ++n) table.charge(in_bucket(9, 500'000 + n, 2), rate, 12);
  for (std::uint64_t n = 1; n <= LimitTable::kWays / 2; ++n)
    EXPECT_FALSE(table.judge(in_bucket(9, n, 1), rate, 12).admitted) << n;
}

TEST(LimitTable, WhatNobodyHasUsedForAnHourGoesFirst) {
  LimitTable table;
  const Rate rate = a_second(1, 1);
  for (int i = 0; i < 2; ++i) table.charge(in_bucket(5, 1, 1), rate, 0);
  for (std::uint64_t n = 1; n < LimitTable::kWays; ++n)
    for (int i = 0; i < 2; ++i) table.charge(in_bucket(5, 100 + n, 2), rate, LimitTable::kStale);
  EXPECT_TRUE(table.charge(in_bucket(5, 200, 2), rate, LimitTable::kStale).forgot);
  for (std::uint64_t n = 1; n < LimitTable::kWays; ++n)
    EXPECT_FALSE(table.judge(in_bucket(5, 100 + n, 2), rate, LimitTable::kStale).admitted) << n;
}

// As many as there are places find one, but for the few whose bucket is full; far more forget each other.
TEST(LimitTable, HoldsAMillionClientsAndNoMore) {
  LimitTable table;
  const Rate rate = a_second(1, 1);
  std::mt19937_64 random(4);
  std::size_t forgotten = 0;
  for (int i = 0; i < 500'000; ++i) forgotten += table.charge({random(), 1}, rate, 0).forgot ? 1 : 0;
  EXPECT_LT(forgotten, 15'000U);
  for (int i = 0; i < 2'000'000; ++i) forgotten += table.charge({random(), 1}, rate, 1).forgot ? 1 : 0;
  EXPECT_GE(forgotten, 2'500'000 - LimitTable::kWays * LimitTable::kBuckets);
}

TEST(LimitTable, CountsWhatIsInFlight) {
  LimitTable table;
  const auto one = table.enter(kClient, 2), two = table.enter(kClient, 2);
  EXPECT_TRUE(one.admitted && two.admitted);
  EXPECT_FALSE(table.enter(kClient, 2).admitted);
  const Key other{kClient.counter + 1, kClient.tenant};
  const auto third = table.enter(other, 1);
  EXPECT_TRUE(third.admitted) << "a client of his own";
  LimitTable::leave(one.place);
  const auto again = table.enter(kClient, 2);
  EXPECT_TRUE(again.admitted);
  EXPECT_FALSE(table.enter(kClient, 2).admitted);
  EXPECT_TRUE(table.enter(kClient, 3).admitted) << "the limit was raised";
}

// Nobody is forgotten while he has something in flight.
TEST(LimitTable, WhereAllPlacesAreTakenATenantPaysForHisOwn) {
  LimitTable table;
  std::vector<std::atomic<std::uint64_t>*> places;
  for (std::uint64_t n = 0; n < LimitTable::kWays; ++n) {
    const auto entered = table.enter(in_bucket(2, n, 1), 1);
    ASSERT_TRUE(entered.admitted && entered.place != nullptr);
    places.push_back(entered.place);
  }
  EXPECT_FALSE(table.enter(in_bucket(2, 100, 1), 1).admitted);
  const auto stranger = table.enter(in_bucket(2, 100, 2), 1);
  EXPECT_TRUE(stranger.admitted);
  EXPECT_EQ(stranger.place, nullptr);
  EXPECT_FALSE(table.enter(in_bucket(2, 3, 1), 1).admitted) << "it is counted still";
  for (auto* place : places) LimitTable::leave(place);
  for (std::uint64_t n = 0; n < LimitTable::kWays; ++n) EXPECT_NE(table.enter(in_bucket(2, n, 1), 1).place, nullptr);
}

template <class Work>
void on_threads(int count, const Work& work) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < count; ++i) threads.emplace_back([&work, i] { work(i); });
}

TEST(LimitTable, ManyThreadsAdmitExactlyTheBurst) {
  LimitTable table;
  const Rate rate = a_second(1000, 5);
  table.charge(kClient, rate, 0);  // from the second request on nothing but its counter is at stake
  std::atomic<int> admitted{0};
  on_threads(8, [&](int) {
    for (int i = 0; i < 2000; ++i) admitted += table.charge(kClient, rate, 0).admitted ? 1 : 0;
  });
  EXPECT_EQ(admitted, 5000);
}

TEST(LimitTable, ManyThreadsNeverHaveMoreInFlightThanTheLimit) {
  constexpr std::uint32_t kMost = 3;
  constexpr int kClients = 12;  // more than a bucket has places for
  LimitTable table;
  std::atomic<int> in_flight[kClients]{};
  std::atomic<int> beyond{0}, entered_ones{0};
  on_threads(8, [&](int thread) {
    std::mt19937 random(static_cast<unsigned>(thread));
    for (int i = 0; i < 20'000; ++i) {
      const std::uint64_t client = random() % kClients;
      const auto entered = table.enter(in_bucket(1, client, static_cast<std::uint16_t>(client % 2)), kMost);
      if (entered.place == nullptr) continue;
      ++entered_ones;
      if (++in_flight[client] > static_cast<int>(kMost)) ++beyond;
      --in_flight[client];
      LimitTable::leave(entered.place);
    }
  });
  EXPECT_EQ(beyond, 0);
  EXPECT_GT(entered_ones, 10'000);
  // Nothing was left behind.
  for (std::uint64_t n = 0; n < LimitTable::kWays; ++n)
    EXPECT_NE(table.enter(in_bucket(1, 50 + n, 1), 1).place, nullptr);
}

TEST(LimitTable, ManyThreadsForgetAndRememberAtOnce) {
  LimitTable table;
  const Rate rate = a_second(1, 1);
  std::atomic<std::uint64_t> admitted{0}, refused{0};
  on_threads(8, [&](int thread) {
    std::mt19937 random(static_cast<unsigned>(thread) + 100);
    for (std::uint32_t i = 0; i < 20'000; ++i) {
      const Key key = in_bucket(random() % 2, random() % 24, static_cast<std::uint16_t>(random() % 3));
      ++(table.charge(key, rate, i / 100).admitted ? admitted : refused);
    }
  });
  EXPECT_EQ(admitted + refused, 160'000U);
  EXPECT_GT(admitted, 0U);
  EXPECT_GT(refused, 0U);
}

}  // namespace
}  // namespace sluice::data
