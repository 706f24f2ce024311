// When batches leave: simulated time, changes that come at a rate.
#include "control/pace.h"

#include <gtest/gtest.h>

#include <deque>
#include <vector>

namespace sluice::control {
namespace {

using std::chrono::milliseconds;

struct Outcome {
  std::size_t batches = 0;
  Duration longest{};  // that a change waited
  Duration first{};    // that the first one waited
};

// A change at each of `due`; a batch costs `cost`.
Outcome simulate(Pace& pace, FakeClock& clock, const std::vector<Instant>& due, Duration cost) {
  Outcome out;
  std::deque<Instant> waiting;
  std::size_t come = 0;
  while (come < due.size() || !waiting.empty()) {
    while (come < due.size() && due[come] <= clock.now()) waiting.push_back(due[come++]);
    if (!waiting.empty() && clock.now() >= pace.next()) {
      const Instant begun = clock.now();
      const std::size_t changes = waiting.size();
      clock.advance(cost);
      if (out.batches++ == 0) out.first = clock.now() - waiting.front();
      for (; !waiting.empty(); waiting.pop_front()) out.longest = std::max(out.longest, clock.now() - waiting.front());
      pace.left(begun, clock.now(), changes);
    } else {
      clock.advance(milliseconds(1));
    }
  }
  return out;
}

// `count` changes, one each `apart`.
Outcome simulate(Pace& pace, FakeClock& clock, std::size_t count, Duration apart, Duration cost) {
  std::vector<Instant> due;
  for (std::size_t i = 0; i < count; ++i) due.push_back(clock.now() + apart * static_cast<std::int64_t>(i));
  return simulate(pace, clock, due, cost);
}

TEST(Pace, TheFirstChangeGoesAtOnce) {
  Pace pace;
  FakeClock clock;
  EXPECT_EQ(simulate(pace, clock, 1, milliseconds(0), milliseconds(0)).longest, Duration(0));
}

TEST(Pace, ABurstIsAHandfulOfBatches) {
  for (const auto cost : {milliseconds(0), milliseconds(5), milliseconds(30)}) {
    Pace pace;
    FakeClock clock;
    // As fast as kubectl applies them: 230 a second.
    const auto slow = simulate(pace, clock, 1000, std::chrono::microseconds(4400), cost);
    EXPECT_LE(slow.batches, 9U);
    EXPECT_LE(slow.longest, Pace::kLongest + 2 * cost);
    EXPECT_LE(slow.first, cost);
    clock.advance(std::chrono::seconds(2));
    const auto fast = simulate(pace, clock, 1000, std::chrono::microseconds(500), cost);
    EXPECT_LE(fast.batches, 5U);
    EXPECT_LE(fast.first, cost);
    clock.advance(std::chrono::seconds(2));
    EXPECT_EQ(simulate(pace, clock, 1000, Duration(0), cost).batches, 1U);
  }
}

// As from a server that is slow at times: 20 changes 3 ms apart, then none for as long as `stall`.
TEST(Pace, ABurstThatFaltersIsOneBurst) {
  for (const auto stall : {milliseconds(30), milliseconds(60), milliseconds(100)}) {
    Pace pace;
    FakeClock clock;
    std::vector<Instant> due;
    for (Instant at = clock.now(); due.size() < 1000; at += stall)
      for (int i = 0; i < 20; ++i, at += milliseconds(3)) due.push_back(at);
    const auto burst = simulate(pace, clock, due, milliseconds(4));
    // Four at growing distances, then one a second; a few before it is known for a burst.
    const auto took = std::chrono::duration_cast<std::chrono::seconds>(due.back() - due.front()).count();
    EXPECT_LE(burst.batches, took + 7) << stall;
    EXPECT_LE(burst.longest, Pace::kLongest + milliseconds(10));
  }
}

// At half the rate of a burst, a server that hands out nothing for a while makes none.
TEST(Pace, WhatWasHeldUpIsNoBurst) {
  Pace pace;
  FakeClock clock;
  std::vector<Instant> due;
  for (int i = 0; i < 1000; ++i)
    due.push_back(clock.now() + std::max(milliseconds(20) * i, milliseconds(400) * ((i + 19) / 20)));
  EXPECT_LE(simulate(pace, clock, due, milliseconds(4)).longest, Pace::kShortest + milliseconds(6));
}

TEST(Pace, FiftyChangesASecondAreNoBurst) {
  Pace pace;
  FakeClock clock;
  const auto cheap = simulate(pace, clock, 2000, milliseconds(20), milliseconds(1));
  EXPECT_LE(cheap.longest, Pace::kShortest + milliseconds(3));
  // Where a batch costs much, there are fewer; a change never waits for more than 200 ms and two batches.
  const auto dear = simulate(pace, clock, 2000, milliseconds(20), milliseconds(15));
  EXPECT_LE(dear.longest, milliseconds(150 + 2 * 15 + 2));
  EXPECT_LT(dear.batches, cheap.batches / 2);
}

TEST(Pace, AfterABurstItIsAsBefore) {
  Pace pace;
  FakeClock clock;
  simulate(pace, clock, 2000, milliseconds(1), milliseconds(1));
  clock.advance(Pace::kLongest);
  EXPECT_EQ(simulate(pace, clock, 1, Duration(0), milliseconds(1)).longest, milliseconds(1));
  EXPECT_LE(simulate(pace, clock, 500, milliseconds(20), milliseconds(1)).longest, Pace::kShortest + milliseconds(3));
  // Some that come together now and then, as a Deployment's slices do, are no burst to speak of.
  for (int i = 0; i < 20; ++i) {
    clock.advance(milliseconds(500));
    EXPECT_LE(simulate(pace, clock, 10, milliseconds(3), milliseconds(1)).longest, milliseconds(60));
  }
}

}  // namespace
}  // namespace sluice::control
