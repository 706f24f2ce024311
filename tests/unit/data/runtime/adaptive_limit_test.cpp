// A limit that is found by what answers take: pods with room for twenty at once, whose answers take 20 ms, by chance.
#include "data/runtime/adaptive_limit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <queue>
#include <random>
#include <vector>

namespace sluice::data {
namespace {

constexpr int kServers = 20;
constexpr double kCan = 1000;  // answers a second

struct Outcome {
  double good = 0;     // answers a second that came within one
  double refused = 0;  // of all
  double p99 = 0;      // seconds
  std::uint32_t limit = 0;
};

// Requests that come at random, whatever becomes of them, for `seconds`; the pods take `slower` times as long from the
// middle on.
Outcome run(double load, bool limited, double seconds = 60, double slower = 1) {
  std::mt19937 random(1);
  std::exponential_distribution<> gap(load * kCan), work(kCan / kServers);
  struct Answer {
    double at, asked;
    bool operator>(const Answer& o) const { return at > o.at; }
  };
  std::priority_queue<Answer, std::vector<Answer>, std::greater<>> under_way;
  std::priority_queue<double, std::vector<double>, std::greater<>> free;
  for (int i = 0; i < kServers; ++i) free.push(0);
  AdaptiveLimit limit;
  std::vector<double> took;
  double all = 0, refused = 0, good = 0;
  for (double now = gap(random); now < seconds; now += gap(random)) {
    for (; !under_way.empty() && under_way.top().at <= now; under_way.pop()) {
      took.push_back(under_way.top().at - under_way.top().asked);
      limit.answered(static_cast<float>(took.back()), static_cast<std::uint32_t>(under_way.size()));
      good += took.back() < 1 ? 1 : 0;
    }
    ++all;
    if (limited && under_way.size() >= limit.limit()) {
      ++refused;
      continue;
    }
    const double end = std::max(now, free.top()) + work(random) * (now > seconds / 2 ? slower : 1);
    free.pop();
    free.push(end);
    under_way.push({end, now});
  }
  std::ranges::sort(took);
  return {good / seconds, refused / all, took[took.size() * 99 / 100], limit.limit()};
}

TEST(AdaptiveLimit, RefusesNobodyWhilePodsHaveRoom) {
  for (const double load : {0.1, 0.5, 0.8}) {
    const Outcome with = run(load, true);
    EXPECT_EQ(with.refused, 0) << load;
    EXPECT_EQ(with.p99, run(load, false).p99);
  }
}

TEST(AdaptiveLimit, KeepsPodsBusyAndAnswersQuickUnderThreeTimesTheLoad) {
  const Outcome without = run(3, false), with = run(3, true);
  EXPECT_LT(without.good, 0.1 * kCan) << "nearly all come when nobody waits";
  EXPECT_GE(with.good, 0.9 * kCan);
  EXPECT_LE(with.p99, 0.2);
  EXPECT_LE(run(3, true, 600).p99, 0.2) << "what is usual does not creep";
}

// Half of what they could do is what they can from then on.
TEST(AdaptiveLimit, FollowsPodsThatBecomeSlower) {
  const Outcome with = run(3, true, 120, 2);
  EXPECT_GE(with.good, 0.9 * kCan * 0.75);
  EXPECT_LE(with.p99, 0.4);
}

// Each worker, and each replica, has a limit of its own, and meets the queue of the others: none is to take that for
// what is usual. The load comes little by little; answers take the same time each, or by chance.
double shared_by(int workers, bool by_chance) {
  std::mt19937 random(7);
  struct Answer {
    double at, asked;
    std::size_t worker;
    bool operator>(const Answer& o) const { return at > o.at; }
  };
  std::priority_queue<Answer, std::vector<Answer>, std::greater<>> under_way;
  std::priority_queue<double, std::vector<double>, std::greater<>> free;
  for (int i = 0; i < kServers; ++i) free.push(0);
  std::vector<AdaptiveLimit> limits(static_cast<std::size_t>(workers));
  std::vector<std::uint32_t> mine(limits.size());
  double now = 0, worst = kCan;
  for (const double load : {0.5, 0.85, 0.95, 1.1, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0}) {
    constexpr double kSeconds = 20;
    const double begin = now;
    double good = 0;
    std::exponential_distribution<> gap(load * kCan), work(kCan / kServers);
    for (now += gap(random); now < begin + kSeconds; now += gap(random)) {
      for (; !under_way.empty() && under_way.top().at <= now; under_way.pop()) {
        const Answer& a = under_way.top();
        limits[a.worker].answered(static_cast<float>(a.at - a.asked), mine[a.worker]--);
        good += a.at - a.asked < 0.25 ? 1 : 0;
      }
      const std::size_t worker = random() % limits.size();
      if (mine[worker] >= limits[worker].limit()) continue;
      ++mine[worker];
      const double end = std::max(now, free.top()) + (by_chance ? work(random) : kServers / kCan);
      free.pop();
      free.push(end);
      under_way.push({end, now, worker});
    }
    if (load > 1) worst = std::min(worst, good / kSeconds);
  }
  return worst;
}

TEST(AdaptiveLimit, OfSeveralWorkersNoneFeedsOnTheQueueOfTheOthers) {
  for (const bool by_chance : {false, true}) {
    EXPECT_GE(shared_by(2, by_chance), 0.9 * kCan) << by_chance;
    EXPECT_GE(shared_by(4, by_chance), 0.9 * kCan) << by_chance;
  }
}

TEST(AdaptiveLimit, BearsTheLargestAndTheSmallestNumbers) {
  AdaptiveLimit limit;
  for (const float seconds : {0.0F, -1.0F, 1e9F, 1e-9F})
    for (int i = 0; i < 10'000; ++i) limit.answered(seconds, i % 2 == 0 ? 0 : 0xffffffffU);
  EXPECT_GE(limit.limit(), static_cast<std::uint32_t>(AdaptiveLimit::kLeast) / 2);
  EXPECT_LE(limit.limit(), static_cast<std::uint32_t>(AdaptiveLimit::kMost));
}

}  // namespace
}  // namespace sluice::data
