// Whose health check is next: places, a rate, and a turn for each namespace.
#include "data/runtime/check_turns.h"

#include <gtest/gtest.h>

#include <list>
#include <set>
#include <vector>

namespace sluice::data {
namespace {

using namespace std::chrono_literals;

const Instant kBegin = Instant() + 1h;

struct Some : CheckTurn {
  explicit Some(std::string of) { ns = std::move(of); }
};

struct CheckTurnsOf : ::testing::Test {
  CheckTurns turns;
  std::list<Some> all;
  Instant now = kBegin;
  CheckTurn& wait(const std::string& ns) {
    Some& who = all.emplace_back(ns);
    turns.wait(who);
    return who;
  }
  // Those whose turn it is until nobody may begin, with as much time as they need.
  std::vector<CheckTurn*> begin_all() {
    std::vector<CheckTurn*> out;
    for (;;) {
      CheckTurn* who = turns.next(now);
      if (who != nullptr)
        out.push_back(who);
      else if (turns.later())
        now += CheckTurns::kBurst;
      else
        return out;
    }
  }
};

TEST_F(CheckTurnsOf, ANamespaceHasAPartOfThePlaces) {
  for (std::size_t i = 0; i < 100; ++i) wait("many");
  const auto begun = begin_all();
  EXPECT_EQ(begun.size(), CheckTurns::kMostOfNamespace);
  EXPECT_EQ(turns.waiting(), 100 - CheckTurns::kMostOfNamespace);
  // Another one waits for nobody.
  now += CheckTurns::kBurst;
  CheckTurn& other = wait("other");
  EXPECT_EQ(turns.next(now), &other);
  // A place that is free is the next one's.
  turns.over(*begun.front());
  EXPECT_EQ(begin_all().size(), 1U);
}

TEST_F(CheckTurnsOf, AllTogetherHaveAllPlaces) {
  for (int ns = 0; ns < 10; ++ns)
    for (int i = 0; i < 100; ++i) wait(std::to_string(ns));
  const auto begun = begin_all();
  EXPECT_EQ(begun.size(), CheckTurns::kMostAtOnce);
  EXPECT_EQ(turns.running(), CheckTurns::kMostAtOnce);
  for (CheckTurn* who : begun) turns.over(*who);
  EXPECT_EQ(turns.running(), 0U);
}

TEST_F(CheckTurnsOf, EachNamespaceHasItsTurnWhateverTheOthersHave) {
  for (int i = 0; i < 1000; ++i) wait("many");
  CheckTurn& one = wait("one");
  CheckTurn& two = wait("two");
  std::set<CheckTurn*> first{turns.next(now), turns.next(now), turns.next(now)};
  EXPECT_TRUE(first.contains(&one) && first.contains(&two));
}

TEST_F(CheckTurnsOf, SoManyBeginInASecond) {
  std::size_t begun = 0;
  for (int i = 0; i < 1000; ++i) wait(std::to_string(i % 50));
  for (int tick = 0; tick < 10; ++tick, now += CheckTurns::kBurst) {
    while (CheckTurn* who = turns.next(now)) {
      ++begun;
      turns.over(*who);  // they are quick
    }
    EXPECT_TRUE(turns.later());
    EXPECT_EQ(turns.next(now + CheckTurns::kBurst - 1ms), nullptr);
  }
  EXPECT_EQ(begun, 10 * CheckTurns::kMostInABurst);
}

TEST_F(CheckTurnsOf, WhoLeavesIsNotAsked) {
  CheckTurn& first = wait("a");
  CheckTurn& second = wait("a");
  turns.leave(first);
  turns.leave(first);  // again, as one that does not wait
  EXPECT_EQ(turns.waiting(), 1U);
  EXPECT_EQ(turns.next(now), &second);
  EXPECT_FALSE(second.waits);
  turns.leave(second);  // under way: it is over by itself
  turns.over(second);
  EXPECT_EQ(turns.running() + turns.waiting(), 0U);
  EXPECT_EQ(turns.next(now), nullptr);
  EXPECT_FALSE(turns.later());
}

}  // namespace
}  // namespace sluice::data
