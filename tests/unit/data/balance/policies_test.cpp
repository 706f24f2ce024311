// The contract of policies, over the whole table; then what each of them is chosen for.
#include <gtest/gtest.h>

#include <cmath>
#include <deque>
#include <random>
#include <set>
#include <string_view>
#include <utility>

#include "cluster_of.h"

namespace sluice::data {
namespace {

using namespace std::chrono_literals;

struct Asked {
  const PolicyRow* row;
  std::uint32_t balance_factor = 0;
};

struct EachPolicy : ::testing::TestWithParam<Asked> {
  static const PolicyRow& row() { return *GetParam().row; }
  static ClusterOf asked(std::uint64_t seed) { return ClusterOf(row(), seed, GetParam().balance_factor); }
  ClusterOf cluster = asked(7);
  // Of a request, where the policy goes by one; a new session has none.
  static std::string key(int i) { return row().key == PolicyRow::Key::hash ? std::to_string(i) : std::string(); }
};
// All of the table, and those that know a bound of load with a tight one.
std::vector<Asked> all_asked() {
  std::vector<Asked> out;
  for (const PolicyRow* row : policies()) {
    out.push_back({row});
    using enum PolicyRow::Places;
    if (row->key == PolicyRow::Key::hash && (row->places == ring || row->places == table)) out.push_back({row, 110});
  }
  return out;
}
INSTANTIATE_TEST_SUITE_P(Table, EachPolicy, ::testing::ValuesIn(all_asked()), [](const auto& of) {
  return std::string(of.param.row->name) + (of.param.balance_factor != 0 ? "_bounded" : "");
});

TEST_P(EachPolicy, IsTheOneThatAClusterAsksFor) {
  const model::Balancing asked = ClusterOf::asking_for(row());
  EXPECT_EQ(&policy_of(&asked), &row());
  EXPECT_FALSE(row().doc.empty());
}

// The word of an annotation is the name of the policy's row: one without a row would be served by turns.
TEST(Policies, EachWordOfLoadBalanceNamesOne) {
  model::Balancing asked;
  std::set<std::string_view> names;
  for (std::uint8_t i = 0; !to_string(static_cast<model::LoadBalance>(i)).empty(); ++i) {
    asked.load_balance = static_cast<model::LoadBalance>(i);
    EXPECT_EQ(policy_of(&asked).name, to_string(asked.load_balance));
    names.insert(policy_of(&asked).name);
  }
  EXPECT_GE(names.size(), 5U);
}

TEST_P(EachPolicy, ChoosesNobodyWhereNobodyTakesRequests) {
  cluster.become({});
  EXPECT_EQ(cluster.pick(key(1)), -1);
  cluster.become({{1, false}, {2, false}});
  EXPECT_EQ(cluster.pick(key(1)), -1);
}

TEST_P(EachPolicy, PrefersTheUntriedAndFallsBackToTheTried) {
  cluster.become({{0, false}, {1}, {2}, {3, false}, {4}});
  for (int i = 0; i < 200; ++i) {
    std::string session;
    EXPECT_EQ(cluster.pick(key(i), {1, 4}, &session), 2);
    EXPECT_TRUE(cluster.takes(cluster.pick(key(i), {1, 2, 4}, &session)));
  }
}

// Endpoints come, go, stop and start, in any order, while requests are chosen for: who takes none is never chosen, who
// was tried only where all were, what was learned stays with its endpoint, and what was begun is ended.
TEST_P(EachPolicy, KeepsTheContractWhateverTheClusterBecomes) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto below = [&](unsigned n) { return static_cast<int>(random() % n); };
    ClusterOf churned = asked(seed);
    std::map<int, bool> endpoints;
    std::map<int, std::uint32_t> ids;
    std::vector<int> in_flight;
    for (int round = 0; round < 60; ++round) {
      for (int changes = below(4); changes > 0; --changes) {
        const int which = below(24);
        if (below(3) == 0)
          endpoints.erase(which);
        else
          endpoints[which] = below(4) != 0;
      }
      std::vector<ClusterOf::Wanted> wanted;
      for (const auto& [number, ready] : endpoints) wanted.push_back({number, ready});
      std::ranges::shuffle(wanted, random);
      churned.become(wanted);
      std::erase_if(in_flight, [&](int number) { return !endpoints.contains(number); });
      std::erase_if(ids, [&](const auto& known) { return !endpoints.contains(known.first); });
      for (const auto& [number, ready] : endpoints) {
        const auto id = churned.load(number).id;
        EXPECT_EQ(ids.try_emplace(number, id).first->second, id);
        EXPECT_EQ(churned.load(number).in_flight, std::ranges::count(in_flight, number));
      }
      std::vector<int> tried;
      for (int attempt = 0; attempt < 8; ++attempt) {
        std::string session;
        const int chosen = churned.pick(key(round), tried, &session);
        if (churned.takers() == 0) {
          EXPECT_EQ(chosen, -1);
          break;
        }
        ASSERT_TRUE(churned.takes(chosen)) << chosen;
        std::set<int> distinct(tried.begin(), tried.end());
        EXPECT_TRUE(!distinct.contains(chosen) || distinct.size() == churned.takers()) << chosen;
        tried.push_back(chosen);
        churned.load(chosen).begin();
        in_flight.push_back(chosen);
        churned.pass(std::chrono::milliseconds(below(500)));
        if (below(2) == 0) {
          const int over = in_flight[static_cast<std::size_t>(below(static_cast<unsigned>(in_flight.size())))];
          churned.load(over).end();
          in_flight.erase(std::ranges::find(in_flight, over));
          if (row().observe != nullptr)
            row().observe(churned.load(over), {AttemptOutcome::How::answered, 0.01F}, churned.now());
        }
      }
    }
  }
}

// Workers would move in step otherwise. About a key they agree.
TEST_P(EachPolicy, WorkersChooseDifferentlyWhereNoKeySaysOtherwise) {
  std::set<std::vector<int>> sequences;
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    ClusterOf worker = asked(seed * 0x9e3779b97f4a7c15ULL);
    worker.become(0, 50);
    std::vector<int> sequence;
    for (int i = 0; i < 4; ++i) {
      std::string session;
      sequence.push_back(worker.pick(key(1), {}, &session));
    }
    sequences.insert(sequence);
  }
  if (row().key == PolicyRow::Key::hash && row().places != PolicyRow::Places::ring_of_subsets)
    EXPECT_EQ(sequences.size(), 1U);
  else
    EXPECT_GE(sequences.size(), 6U);
}

// Alike endpoints get alike shares.
TEST_P(EachPolicy, SpreadsRequests) {
  cluster.become(0, 10);
  std::map<int, int> count;
  for (int i = 0; i < 20'000; ++i) {
    std::string session;
    ++count[cluster.pick(key(i), {}, &session)];
  }
  ASSERT_EQ(count.size(), 10U);
  for (const auto& [number, got] : count) {
    // 160 points on a ring are not quite alike, and two of ten stand in two subsets of three.
    EXPECT_GT(got, 1'100) << number;
    EXPECT_LT(got, 4'400) << number;
  }
}

TEST(RoundRobin, GivesEachItsTurn) {
  ClusterOf cluster(policy_named("round_robin"), 1);
  cluster.become(0, 3);
  std::map<int, int> count;
  for (int i = 0; i < 300; ++i) ++count[cluster.pick()];
  for (int i = 0; i < 3; ++i) EXPECT_EQ(count[i], 100);
}

TEST(RoundRobin, WorkersBeginAtDifferentPlaces) {
  ClusterOf one(policy_named("round_robin"), 0), other(policy_named("round_robin"), 1);
  one.become(0, 3);
  other.become(0, 3);
  EXPECT_NE(one.pick(), other.pick());
}

TEST(Random, IsByChanceAndSpreadsEvenly) {
  ClusterOf cluster(policy_named("random"), 2);
  cluster.become(0, 10);
  std::map<int, int> count;
  int again = 0, before = -1;
  for (int i = 0; i < 100'000; ++i) {
    const int at = cluster.pick();
    ++count[at];
    again += at == before ? 1 : 0;
    before = at;
  }
  // Standard deviation 95: five of them.
  for (int i = 0; i < 10; ++i) EXPECT_NEAR(count[i], 10'000, 475) << i;
  EXPECT_NEAR(again, 10'000, 475);  // no turns
}

TEST(LeastRequest, OfFewItIsTheVeryLeast) {
  ClusterOf cluster(policy_named("least_request"), 3);
  cluster.become(0, 8);
  for (int i = 0; i < 8; ++i) cluster.load(i).in_flight = 5;
  cluster.load(6).in_flight = 4;
  for (int i = 0; i < 100; ++i) EXPECT_EQ(cluster.pick(), 6);
  EXPECT_NE(cluster.pick({}, {6}), 6);
}

TEST(LeastRequest, OfManyTheBusyOneIsSpared) {
  ClusterOf cluster(policy_named("least_request"), 3);
  cluster.become(0, 100);
  cluster.load(6).in_flight = 50;
  for (int i = 0; i < 5'000; ++i) EXPECT_NE(cluster.pick(), 6);
}

struct OfLatency : ::testing::Test {
  const PolicyRow& row = policy_named("ewma");
  ClusterOf cluster{row, 5};
  void answers(int number, float seconds) {
    row.observe(cluster.load(number), {AttemptOutcome::How::answered, seconds}, cluster.now());
  }
  // How many of a thousand.
  int share(int number) {
    int out = 0;
    for (int i = 0; i < 1'000; ++i) out += cluster.pick() == number ? 1 : 0;
    return out;
  }
};

TEST_F(OfLatency, TheSlowOneIsSparedAndComesBackInTime) {
  cluster.become(0, 3);
  for (int i = 0; i < 3; ++i) answers(i, 0.010F);
  answers(1, 2.0F);  // a peak counts at once
  EXPECT_EQ(share(1), 0);
  cluster.pass(30s);
  for (const int quick : {0, 2}) answers(quick, 0.2F);
  // Two seconds of half a minute ago are a tenth of a second.
  EXPECT_GT(share(1), 500);
}

TEST_F(OfLatency, QuickAnswersLowerItBitByBit) {
  cluster.become(0, 1);
  answers(0, 1.0F);
  cluster.pass(1s);
  answers(0, 0.1F);
  EXPECT_GT(cluster.load(0).latency, 0.85F);
  for (int i = 0; i < 60; ++i) {
    cluster.pass(1s);
    answers(0, 0.1F);
  }
  EXPECT_NEAR(cluster.load(0).latency, 0.1F, 0.01F);
}

TEST_F(OfLatency, NewOnesBeginAtTheMean) {
  cluster.become(0, 2);
  answers(0, 0.1F);
  answers(1, 0.3F);
  cluster.become(0, 3);
  EXPECT_NEAR(cluster.load(2).latency, 0.2F, 0.001F);
  EXPECT_NEAR(cluster.load(0).latency, 0.1F, 0.001F);
}

TEST_F(OfLatency, WhoFailsAtOnceIsNotTheQuickest) {
  cluster.become(0, 3);
  for (int i = 0; i < 3; ++i) answers(i, 0.1F);
  row.observe(cluster.load(2), {AttemptOutcome::How::failed, 0.0001F}, cluster.now());
  EXPECT_EQ(share(2), 0);
}

TEST_F(OfLatency, WhomNobodyWaitsForAnyLongerIsSlowAtLeast) {
  cluster.become(0, 1);
  answers(0, 0.5F);
  row.observe(cluster.load(0), {AttemptOutcome::How::cut_short, 0.01F}, cluster.now());
  EXPECT_FLOAT_EQ(cluster.load(0).latency, 0.5F);
  row.observe(cluster.load(0), {AttemptOutcome::How::cut_short, 3.0F}, cluster.now());
  EXPECT_FLOAT_EQ(cluster.load(0).latency, 3.0F);
}

TEST_F(OfLatency, RequestsInFlightCountToo) {
  cluster.become(0, 2);
  for (int i = 0; i < 2; ++i) answers(i, 0.1F);
  cluster.load(0).in_flight = 10;
  EXPECT_EQ(share(0), 0);
}

struct OfPrequal : ::testing::Test {
  const PolicyRow& row = policy_named("prequal");
  ClusterOf cluster{row, 5};
  void answers(int number, float seconds) {
    row.observe(cluster.load(number), {AttemptOutcome::How::answered, seconds}, cluster.now());
  }
  void becomes_busy(int number, int requests) {
    for (int i = 0; i < requests; ++i) cluster.load(number).begin();
  }
  // How many of a thousand.
  int share(int number) {
    int out = 0;
    for (int i = 0; i < 1'000; ++i) out += cluster.pick() == number ? 1 : 0;
    return out;
  }
};

TEST_F(OfPrequal, TheQuickestOfThoseThatAreNotBusy) {
  cluster.become(0, 3);
  for (int i = 0; i < 3; ++i) answers(i, 0.1F * static_cast<float>(i + 1));
  EXPECT_EQ(share(0), 1'000);
  // Busier than the others is not hot yet, as so many had as much lately.
  becomes_busy(0, 1);
  share(0);
  EXPECT_GT(share(0), 950);
}

TEST_F(OfPrequal, WhoHasMoreInFlightThanMostIsSparedHoweverQuickItIs) {
  cluster.become(0, 10);
  for (int i = 0; i < 10; ++i) answers(i, i == 4 ? 0.001F : 0.1F);
  EXPECT_GT(share(4), 250);  // whenever it is drawn: three of ten
  becomes_busy(4, 3);
  for (int i = 0; i < 30; ++i) cluster.pick();
  EXPECT_LT(share(4), 100);  // now and then chance shows it so often that such a one seems usual
}

TEST_F(OfPrequal, WhereAllAreHotTheOneWithTheFewestInFlight) {
  cluster.become(0, 3);
  for (int i = 0; i < 3; ++i) answers(i, i == 2 ? 0.5F : 0.001F);
  for (int i = 0; i < 100; ++i) cluster.pick();  // nobody had any
  becomes_busy(0, 9);
  becomes_busy(1, 9);
  becomes_busy(2, 8);
  EXPECT_EQ(cluster.pick(), 2);
}

// Beside the rule as it is told: of two pods both are drawn each time, and the last 64 are those of 32 requests.
TEST_F(OfPrequal, IsHotByTheLast64ThatWereDrawn) {
  cluster.become(0, 2);
  for (int i = 0; i < 2; ++i) answers(i, i == 0 ? 0.1F : 0.2F);
  std::mt19937 random(3);
  std::deque<std::uint32_t> seen;
  int hot = 0;
  for (int n = 0; n < 5'000; ++n) {
    // Busier times and idle ones.
    const std::uint32_t base = n / 200 % 3 == 0 ? 0 : n / 200 % 3 == 1 ? 20 : 7;
    const std::uint32_t first = base + static_cast<std::uint32_t>(random() % 9),
                        second = base + static_cast<std::uint32_t>(random() % 9);
    cluster.load(0).in_flight = first;
    cluster.load(1).in_flight = second;
    auto sorted = std::vector<std::uint32_t>(seen.begin(), seen.end());
    std::ranges::sort(sorted);
    const auto threshold =
        sorted.empty() ? 0U
                       : sorted[static_cast<std::size_t>(std::ceil(0.84 * static_cast<double>(sorted.size()))) - 1];
    const int chosen = cluster.pick();
    if (first > threshold && second > threshold) {
      ASSERT_TRUE(first == second || chosen == (first < second ? 0 : 1)) << n;
      ++hot;
    } else {
      ASSERT_EQ(chosen, first <= threshold ? 0 : 1) << n;
    }
    seen.insert(seen.end(), {first, second});
    if (seen.size() > 64) seen.erase(seen.begin(), seen.begin() + 2);
  }
  EXPECT_GT(hot, 100);
}

TEST_F(OfPrequal, HowManyAreInFlightCountsInStepsWhereThereAreMany) {
  cluster.become(0, 2);
  for (int i = 0; i < 2; ++i) answers(i, i == 0 ? 0.1F : 0.2F);
  for (const std::uint32_t usual : {10U, 100U, 1'000U, 30'000U, 4'000'000'000U}) {
    SCOPED_TRACE(usual);
    for (int i = 0; i < 2; ++i) cluster.load(i).in_flight = usual;
    for (int n = 0; n < 40; ++n) cluster.pick();
    EXPECT_EQ(cluster.pick(), 0);
    cluster.load(0).in_flight = usual + usual / 8 + 1;  // an eighth more is more, whatever the numbers
    EXPECT_EQ(cluster.pick(), usual < 4'000'000'000U ? 1 : 0);
  }
}

// A pod of one core is as slow as it is busy: what was measured then says little of it when it is idle.
TEST_F(OfPrequal, WhoIsLessBusyThanWhenItWasMeasuredIsQuicker) {
  cluster.become(0, 3);
  for (int i = 0; i < 3; ++i) {
    becomes_busy(i, 10);
    answers(i, i == 0 ? 0.12F : 0.1F);
  }
  for (int i = 0; i < 100; ++i) cluster.pick();
  EXPECT_EQ(share(0), 0);
  for (int n = 0; n < 4; ++n) cluster.load(0).end();
  EXPECT_EQ(share(0), 1'000);  // seven tenths of 0.12
  // Who is slow for another reason says so at once: nobody else was there.
  for (int n = 0; n < 6; ++n) cluster.load(0).end();
  cluster.load(0).begin();
  for (int n = 0; n < 30; ++n) {
    cluster.pass(1s);
    for (int i = 0; i < 3; ++i) answers(i, i == 0 ? 0.12F : 0.1F);
  }
  EXPECT_LT(cluster.load(0).among, 2);
  cluster.load(0).begin();
  EXPECT_EQ(share(0), 0);
}

TEST_F(OfPrequal, TheSlowOneComesBackInTime) {
  cluster.become(0, 3);
  for (int i = 0; i < 3; ++i) answers(i, i == 1 ? 2.0F : 0.1F);
  EXPECT_EQ(share(1), 0);
  cluster.pass(35s);
  for (const int quick : {0, 2}) answers(quick, 0.1F);
  EXPECT_GT(share(1), 500);
}

TEST_F(OfPrequal, OneSlowAnswerBrandsNobodyButFailuresDo) {
  cluster.become(0, 3);
  for (int i = 0; i < 3; ++i) answers(i, 0.1F);
  for (int n = 0; n < 100; ++n) {
    cluster.pass(10ms);
    for (int i = 0; i < 3; ++i) answers(i, 0.1F);
  }
  answers(1, 2.0F);
  EXPECT_LT(cluster.load(1).latency, 0.11F);
  for (int n = 0; n < 200; ++n) {
    cluster.pass(10ms);
    row.observe(cluster.load(2), {AttemptOutcome::How::failed, 0.0001F}, cluster.now());
  }
  EXPECT_GT(cluster.load(2).latency, 0.2F);
  EXPECT_EQ(share(2), 0);
}

TEST_F(OfPrequal, WhomNobodyWaitsForAnyLongerIsSlowAtLeast) {
  cluster.become(0, 2);
  // Nothing is known of it, and what was cut short says how slow it is at most where it was slow.
  row.observe(cluster.load(1), {AttemptOutcome::How::cut_short, 3.0F}, cluster.now());
  EXPECT_EQ(cluster.load(1).since, Instant{});
  answers(0, 0.5F);
  cluster.pass(1s);
  row.observe(cluster.load(0), {AttemptOutcome::How::cut_short, 0.01F}, cluster.now());
  EXPECT_FLOAT_EQ(cluster.load(0).latency, 0.5F);
  row.observe(cluster.load(0), {AttemptOutcome::How::cut_short, 3.0F}, cluster.now());
  EXPECT_GT(cluster.load(0).latency, 0.6F);
}

// What the ring promises, for any Cluster and any change of it.
struct OfKeys : ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Rings, OfKeys, ::testing::Values("chash", "sticky_balanced"));

TEST_P(OfKeys, OneThatLeavesMovesItsOwnKeysAlone) {
  for (unsigned seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    ClusterOf cluster(policy_named(GetParam()), seed);
    std::set<int> there;
    while (there.size() < 12) there.insert(static_cast<int>(random() % 200));
    const auto become = [&] {
      std::vector<ClusterOf::Wanted> all;
      for (const int i : there) all.push_back({i});
      std::ranges::shuffle(all, random);
      cluster.become(all);
    };
    const auto places = [&] {
      std::map<int, int> out;
      for (int k = 0; k < 2'000; ++k) out[k] = cluster.pick("key-" + std::to_string(k));
      return out;
    };
    become();
    for (int round = 0; round < 10; ++round) {
      const auto before = places();
      const int gone = *std::next(there.begin(), static_cast<std::ptrdiff_t>(random() % there.size()));
      there.erase(gone);
      become();
      for (const auto& [k, at] : places()) ASSERT_TRUE(before.at(k) == gone || at == before.at(k)) << k;
      // It comes back to what it had, and so does one that only stops taking requests.
      there.insert(gone);
      become();
      EXPECT_EQ(places(), before);
    }
  }
}

TEST_P(OfKeys, OneThatTakesNoRequestsIsAsIfItWereGone) {
  ClusterOf cluster(policy_named(GetParam()), 1), without(policy_named(GetParam()), 1);
  cluster.become({{1}, {2, false}, {3}, {4}});
  without.become({{1}, {3}, {4}});
  for (int k = 0; k < 500; ++k) EXPECT_EQ(cluster.pick(std::to_string(k)), without.pick(std::to_string(k)));
}

// The real ingress-nginx, recorded: 10.200.0.41 to .43, port 8080.
TEST(Ring, LeadsKeysWhereIngressNginxDoes) {
  model::Cluster cluster;
  cluster.upstream_name = "oracle-multi-80";
  cluster.balancing = ClusterOf::asking_for(policy_named("chash"));
  for (const char* address : {"10.200.0.41", "10.200.0.42", "10.200.0.43"})
    cluster.endpoints.push_back({address, 8080, true, false, false, ""});
  const auto placement = Placement::of(cluster, nullptr);
  ASSERT_TRUE(placement);
  for (const auto& [key, pod] : std::map<std::string, std::uint32_t>{{"ann", 0},
                                                                     {"bob", 1},
                                                                     {"constant", 0},
                                                                     {"bogus", 1},
                                                                     {"1795466952.29.30772.42876", 1},
                                                                     {"1795466952.368.30772.204353", 0},
                                                                     {"1795466954.717.30912.932030", 1},
                                                                     {"1795466954.742.30912.537355", 0},
                                                                     {"1795466954.773.30912.246755", 2},
                                                                     {"1795467323.263.21281.499768", 1},
                                                                     {"1795467323.286.21281.889603", 0},
                                                                     {"1795467323.287.21281.634193", 2}})
    EXPECT_EQ(placement->ring().find(key, [](auto) { return true; }), pod) << key;
}

TEST(Ring, IsTheSameHoweverItCameAbout) {
  std::mt19937 random(11);
  model::Cluster cluster;
  cluster.balancing = ClusterOf::asking_for(policy_named("chash"));
  std::shared_ptr<const Placement> step;
  std::set<int> there;
  for (int round = 0; round < 50; ++round) {
    for (int i = 0; i < 3; ++i)
      if (const int which = static_cast<int>(random() % 40); !there.erase(which)) there.insert(which);
    std::vector<int> order(there.begin(), there.end());
    std::ranges::shuffle(order, random);
    cluster.endpoints.clear();
    for (const int i : order) cluster.endpoints.push_back({ClusterOf::address(i), 8080, true, false, false, ""});
    step = Placement::of(cluster, step.get());
    const auto afresh = Placement::of(cluster, nullptr);
    EXPECT_TRUE(
        std::ranges::equal(step->ring().points(), afresh->ring().points(), {}, &Ring::Point::hash, &Ring::Point::hash));
    for (int k = 0; k < 200; ++k) {
      const auto key = std::to_string(k);
      EXPECT_EQ(step->ring().find(key, [](auto) { return true; }), afresh->ring().find(key, [](auto) { return true; }));
    }
  }
}

// The ring and the table.
struct ByHash : ::testing::TestWithParam<const char*> {
  const PolicyRow& row = policy_named(GetParam());
};
INSTANTIATE_TEST_SUITE_P(Ways, ByHash, ::testing::Values("chash", "maglev"));

TEST_P(ByHash, WithoutAKeyEachHasItsTurn) {
  ClusterOf cluster(row, 1);
  cluster.become(0, 3);
  std::map<int, int> count;
  for (int i = 0; i < 30; ++i) ++count[cluster.pick("")];
  for (int i = 0; i < 3; ++i) EXPECT_EQ(count[i], 10);
}

TEST_P(ByHash, AllWorkersAgree) {
  ClusterOf one(row, 1), other(row, 2);
  one.become(0, 20);
  other.become(0, 20);
  for (int k = 0; k < 500; ++k) EXPECT_EQ(one.pick(std::to_string(k)), other.pick(std::to_string(k)));
}

// One that only stops taking requests is on the ring and in the table still: nobody else's key moves.
TEST_P(ByHash, OneThatStopsTakingRequestsMovesItsOwnKeysAlone) {
  ClusterOf cluster(row, 1);
  std::vector<ClusterOf::Wanted> wanted;
  for (int i = 0; i < 12; ++i) wanted.push_back({i});
  cluster.become(wanted);
  std::map<int, int> before;
  for (int k = 0; k < 3'000; ++k) before[k] = cluster.pick(std::to_string(k));
  wanted[5].ready = false;
  cluster.become(wanted);
  std::set<int> heirs;
  for (const auto& [k, at] : before) {
    const int now = cluster.pick(std::to_string(k));
    ASSERT_TRUE(at == 5 ? now != 5 : now == at) << k;
    if (at == 5) heirs.insert(now);
  }
  EXPECT_EQ(heirs.size(), 11U);  // its keys are shared out
  wanted[5].ready = true;
  cluster.become(wanted);
  for (const auto& [k, at] : before) ASSERT_EQ(cluster.pick(std::to_string(k)), at) << k;
}

// Of many hardly anybody: a key has one pod all the same.
TEST_P(ByHash, AKeyKeepsItsPodWhereHardlyAnybodyTakesRequests) {
  ClusterOf cluster(row, 1);
  std::vector<ClusterOf::Wanted> wanted;
  for (int i = 0; i < 3'000; ++i) wanted.push_back({i, i == 17 || i == 1'700});
  cluster.become(wanted);
  std::map<int, int> count;
  for (int k = 0; k < 300; ++k) {
    const int at = cluster.pick(std::to_string(k));
    ASSERT_TRUE(at == 17 || at == 1'700);
    EXPECT_EQ(cluster.pick(std::to_string(k)), at);
    ++count[at];
  }
  EXPECT_GT(count[17], 50);
  EXPECT_GT(count[1'700], 50);
}

// Whatever is asked for, whichever keys are hot, and however endpoints come and go: nobody but by a request for which
// nobody else is left has more than the bound.
TEST_P(ByHash, NobodyHasMoreThanTheBound) {
  for (const std::uint32_t factor : {105U, 125U, 200U}) {
    for (unsigned seed = 1; seed <= 10; ++seed) {
      SCOPED_TRACE(seed);
      std::mt19937 random(seed);
      ClusterOf cluster(row, seed, factor);
      int pods = 30;
      cluster.become(0, pods);
      std::vector<int> in_flight;
      for (int i = 0; i < 4'000; ++i) {
        if (i % 500 == 499) {
          pods = 5 + static_cast<int>(random() % 40);
          cluster.become(0, pods);
          std::erase_if(in_flight, [&](int at) { return at >= pods; });
        }
        // Half of all requests are for one key, and most others for a few.
        const auto dice = random() % 8;
        const int at = cluster.pick(dice < 4 ? "hot" : std::to_string(random() % (dice < 7 ? 4 : 10'000)));
        cluster.load(at).begin();
        in_flight.push_back(at);
        const double mean = static_cast<double>(in_flight.size()) / pods;
        ASSERT_LE(cluster.load(at).in_flight, std::ceil(mean * factor / 100.0)) << at;
        // Two begin for each that ends, until there are enough of them.
        for (auto ends = in_flight.size() > 300 ? 2 : random() % 2; ends > 0; --ends) {
          const auto which = random() % in_flight.size();
          cluster.load(in_flight[which]).end();
          in_flight.erase(in_flight.begin() + static_cast<std::ptrdiff_t>(which));
        }
      }
    }
  }
}

TEST_P(ByHash, BelowTheBoundAKeyIsWhereItIsWithoutOne) {
  ClusterOf bounded(row, 1, 125), free(row, 1);
  bounded.become(0, 20);
  free.become(0, 20);
  for (int i = 0; i < 20; ++i)
    for (int n = 0; n < 10; ++n) bounded.load(i).begin();
  const int at = free.pick("key");
  for (int k = 0; k < 500; ++k) EXPECT_EQ(bounded.pick(std::to_string(k)), free.pick(std::to_string(k)));
  // 125 % of 10.05 and more: 13 is the most.
  for (int n = 0; n < 3; ++n) {
    EXPECT_EQ(bounded.pick("key"), at);
    bounded.load(at).begin();
  }
  const int other = bounded.pick("key");
  EXPECT_NE(other, at);
  for (int n = 0; n < 20; ++n) EXPECT_EQ(bounded.pick("key"), other);
  bounded.load(at).end();
  EXPECT_EQ(bounded.pick("key"), at);
}

TEST_P(ByHash, TheBoundGoesAndComesWithTheAnnotation) {
  ClusterOf cluster(row, 1);
  cluster.become(0, 10);
  const int at = cluster.pick("key");
  for (int n = 0; n < 50; ++n) cluster.load(at).begin();
  EXPECT_EQ(cluster.pick("key"), at);
  cluster.ask(ClusterOf::asking_for(row, 150));
  cluster.become(0, 10);
  EXPECT_NE(cluster.pick("key"), at);  // what was in flight before counts
  cluster.ask(ClusterOf::asking_for(row));
  cluster.become(0, 10);
  EXPECT_EQ(cluster.pick("key"), at);
  for (int n = 0; n < 50; ++n) cluster.load(at).end();
  EXPECT_EQ(cluster.load(at).in_flight, 0U);
  EXPECT_EQ(cluster.load(at).sum, nullptr);
}

MaglevTable table_of(const std::set<int>& numbers) {
  std::vector<std::string> names;
  for (const int i : numbers) names.push_back(ClusterOf::address(i) + ":8080");
  return MaglevTable(names);
}

TEST(Maglev, SharesDifferByASlotAtMost) {
  for (const int count : {1, 2, 3, 7, 64, 65, 1'000, 4'000}) {
    SCOPED_TRACE(count);
    std::set<int> numbers;
    for (int i = 0; i < count; ++i) numbers.insert(i);
    const MaglevTable table = table_of(numbers);
    EXPECT_EQ(table.slots().size(), count <= 64 ? 8'191U : 65'537U);
    std::vector<std::size_t> share(static_cast<std::size_t>(count));
    for (const auto owner : table.slots()) ++share.at(owner);
    const auto [least, most] = std::ranges::minmax(share);
    EXPECT_LE(most - least, 1U);
  }
}

// How much moves beyond the keys of the one that leaves: what the figures of docs/balancing.md are.
TEST(Maglev, OneThatLeavesMovesLittleBeyondItsOwnKeys) {
  struct Bar {
    int count;
    double most;  // of all slots
  };
  for (const auto& [count, most] : {Bar{3, 0.01}, Bar{10, 0.015}, Bar{50, 0.03}, Bar{100, 0.015}, Bar{1'000, 0.015}}) {
    SCOPED_TRACE(count);
    std::mt19937 random(static_cast<unsigned>(count));
    std::set<int> numbers;
    while (std::cmp_less(numbers.size(), count)) numbers.insert(static_cast<int>(random() % 60'000));
    const MaglevTable before = table_of(numbers);
    double worst = 0;
    for (int round = 0; round < 5; ++round) {
      auto rest = numbers;
      const auto gone = static_cast<std::ptrdiff_t>(random() % numbers.size());
      rest.erase(*std::next(numbers.begin(), gone));
      const MaglevTable after = table_of(rest);
      ASSERT_EQ(after.slots().size(), before.slots().size());
      std::size_t moved = 0;
      for (std::size_t i = 0; i < before.slots().size(); ++i) {
        const int was = before.slots()[i], is = after.slots()[i] < gone ? after.slots()[i] : after.slots()[i] + 1;
        moved += was != gone && was != is ? 1U : 0U;
      }
      worst = std::max(worst, static_cast<double>(moved) / static_cast<double>(before.slots().size()));
    }
    RecordProperty("moved_of_" + std::to_string(count), std::to_string(worst));
    EXPECT_LT(worst, most);
    EXPECT_GT(worst, 0);  // it is no ring
  }
}

TEST(Maglev, IsTheSameHoweverItCameAbout) {
  std::mt19937 random(11);
  model::Cluster cluster;
  cluster.balancing = ClusterOf::asking_for(policy_named("maglev"));
  std::shared_ptr<const Placement> step;
  std::set<int> there;
  for (int round = 0; round < 30; ++round) {
    // Every other time only the order is another one, and who is ready.
    for (int i = 0; i < 3 && round % 2 == 0; ++i)
      if (const int which = static_cast<int>(random() % 40); !there.erase(which)) there.insert(which);
    std::vector<int> order(there.begin(), there.end());
    std::ranges::shuffle(order, random);
    cluster.endpoints.clear();
    for (const int i : order)
      cluster.endpoints.push_back({ClusterOf::address(i), 8080, random() % 2 == 0, false, false, ""});
    step = Placement::of(cluster, step.get());
    const auto afresh = Placement::of(cluster, nullptr);
    ASSERT_TRUE(std::ranges::equal(step->table().slots(), afresh->table().slots()));
    // And by names it is the one of any other order.
    const auto sorted = table_of(there);
    for (std::size_t i = 0; i < sorted.slots().size(); ++i)
      ASSERT_EQ(order[step->table().slots()[i]], *std::next(there.begin(), sorted.slots()[i]));
  }
}

TEST(HashToSubset, OneKeyHasASubset) {
  for (const auto& [endpoints, size] : std::vector<std::pair<int, std::uint32_t>>{{9, 3}, {10, 3}, {2, 3}, {5, 1}}) {
    SCOPED_TRACE(endpoints);
    ClusterOf cluster(policy_named("chashsubset"), 1);
    auto balancing = cluster.balancing();
    auto by = *balancing.hash_by;
    by.subset_size = size;
    balancing.hash_by = by;
    cluster.ask(balancing);
    cluster.become(0, endpoints);
    std::set<std::set<int>> subsets;
    std::set<int> all;
    for (int k = 0; k < 300; ++k) {
      std::set<int> subset;
      for (int i = 0; i < 60; ++i) subset.insert(cluster.pick(std::to_string(k)));
      EXPECT_EQ(subset.size(), std::min<std::size_t>(size, static_cast<std::size_t>(endpoints)));
      subsets.insert(subset);
      all.insert(subset.begin(), subset.end());
    }
    EXPECT_EQ(subsets.size(), (static_cast<std::size_t>(endpoints) + size - 1) / size);
    EXPECT_EQ(all.size(), static_cast<std::size_t>(endpoints));
    // The last one is filled from the first.
    EXPECT_EQ(subsets.contains({9, 0, 1}), endpoints == 10);
  }
}

struct OfSessions : ::testing::TestWithParam<const char*> {
  ClusterOf cluster{policy_named(GetParam()), 9};
  // Of sessions that begin now: key to endpoint.
  std::map<std::string, int> begin(int count) {
    std::map<std::string, int> out;
    for (int i = 0; i < count; ++i) {
      std::string session;
      const int at = cluster.pick({}, {}, &session);
      EXPECT_FALSE(session.empty());
      out[session] = at;
    }
    return out;
  }
};
INSTANTIATE_TEST_SUITE_P(Modes, OfSessions, ::testing::Values("sticky_balanced", "sticky_persistent"));

TEST_P(OfSessions, StayWhereTheyBegan) {
  cluster.become(0, 10);
  for (const auto& [key, at] : begin(500)) {
    std::string session;
    EXPECT_EQ(cluster.pick(key, {}, &session), at);
    EXPECT_TRUE(session.empty());
    // The same pod is asked again, whatever has become of the first attempt.
    EXPECT_EQ(cluster.pick(key, {at}, &session), at);
    EXPECT_TRUE(session.empty());
  }
}

TEST_P(OfSessions, MoveAfterAFailureWhereTheyAreToldTo) {
  auto balancing = cluster.balancing();
  auto affinity = *balancing.affinity;
  affinity.change_on_failure = true;
  balancing.affinity = affinity;
  cluster.ask(balancing);
  cluster.become(0, 10);
  for (const auto& [key, at] : begin(200)) {
    std::string session;
    const int other = cluster.pick(key, {at}, &session);
    EXPECT_NE(other, at);
    EXPECT_FALSE(session.empty());
    EXPECT_EQ(cluster.pick(session), other);
  }
}

TEST_P(OfSessions, ARequestThatMayBeginNoneIsServedAllTheSame) {
  cluster.become(0, 3);
  std::set<int> seen;
  for (int i = 0; i < 100; ++i) seen.insert(cluster.pick());
  EXPECT_EQ(seen.size(), 3U);
}

TEST(StickyPersistent, StaysHoweverManyCome) {
  ClusterOf cluster(policy_named("sticky_persistent"), 9);
  cluster.become(0, 3);
  std::string session;
  const int at = cluster.pick({}, {}, &session);
  EXPECT_EQ(session, md5_text("default-svc-80" + ClusterOf::address(at) + ":8080"));
  cluster.become(0, 50);
  EXPECT_EQ(cluster.pick(session), at);
  // The pod is gone: another session begins.
  std::vector<ClusterOf::Wanted> rest;
  for (int i = 0; i < 50; ++i)
    if (i != at) rest.push_back({i});
  cluster.become(rest);
  std::string other;
  EXPECT_NE(cluster.pick(session, {}, &other), at);
  EXPECT_FALSE(other.empty());
}

TEST(StickyBalanced, SomeMoveToThoseThatCome) {
  ClusterOf cluster(policy_named("sticky_balanced"), 9);
  cluster.become(0, 5);
  std::map<std::string, int> sessions;
  for (int i = 0; i < 1'000; ++i) {
    std::string session;
    const int at = cluster.pick({}, {}, &session);
    sessions[session] = at;
  }
  cluster.become(0, 10);
  int moved = 0;
  for (const auto& [key, at] : sessions) {
    const int now = cluster.pick(key);
    if (now == at) continue;
    EXPECT_GE(now, 5);  // to a new one, never among the old
    ++moved;
  }
  EXPECT_GT(moved, 350);
  EXPECT_LT(moved, 650);
}

}  // namespace
}  // namespace sluice::data
