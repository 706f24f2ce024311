// What a worker knows of a Cluster: its endpoints' state outlives changes, and what was begun is ended.
#include "data/runtime/cluster.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <set>
#include <utility>

#include "../bare_context.h"
#include "../pooled_pod.h"
#include "data/balance/placement.h"

namespace sluice::data {
namespace {

using namespace std::chrono_literals;

struct OfCluster : ::testing::Test {
  BareContext bare;
  ClusterRuntime* cluster = nullptr;
  std::shared_ptr<const Placement> placement;
  std::string pod, not_ready;  // of endpoints that are made next
  std::set<std::string> far;   // likewise
  std::uint32_t near_enough = 0;
  ~OfCluster() override {
    if (cluster != nullptr) cluster->unpin();
  }
  void become(const std::vector<std::string>& addresses, const model::Shared<model::Balancing>& balancing = {}) {
    auto spec = std::make_shared<model::Cluster>();
    spec->name = "default/svc:80";
    spec->balancing = balancing;
    spec->near_enough = near_enough;
    for (const auto& address : addresses)
      spec->endpoints.push_back({address, 8080, address != not_ready, false, far.contains(address), pod});
    placement = Placement::of(*spec, placement.get());
    if (cluster == nullptr)
      cluster = new ClusterRuntime(bare.worker, spec, placement, 1);
    else
      cluster->reconcile(spec, placement);
  }
  void serve_with(const model::Options& options) {
    Publication next;
    next.snapshot = bare_snapshot(options);
    bare.worker.apply(next);
  }
  // Those that take requests, by address.
  std::map<std::string, std::shared_ptr<EndpointRuntime>> all(std::size_t count) {
    std::map<std::string, std::shared_ptr<EndpointRuntime>> out;
    std::vector<std::uint32_t> tried;
    for (std::size_t i = 0; i < count; ++i)
      if (auto endpoint = cluster->pick(tried)) out.emplace(endpoint->text, endpoint);
    EXPECT_EQ(out.size(), count);
    return out;
  }
  void pass(Duration time) {
    bare.clock.advance(time);
    bare.worker.loop.turn(0ms);
  }
  std::shared_ptr<EndpointRuntime> pick_untried(std::vector<std::uint32_t>& tried) { return cluster->pick(tried); }
  // How many of so many requests each gets, by the last part of its address.
  std::map<std::string, int> shares_of(int requests) {
    std::map<std::string, int> out;
    for (int i = 0; i < requests; ++i) {
      std::vector<std::uint32_t> tried;
      const std::string text = cluster->pick(tried)->text;
      ++out[text.substr(text.rfind('.') + 1, text.find(':') - text.rfind('.') - 1)];
    }
    return out;
  }
  // The first failure leaves one out, for ten seconds.
  model::Options strict() const {
    model::Options options;
    options.outlier_consecutive_failures = 1;
    options.outlier_ejection_time = 10s;
    return options;
  }
  void leave_out(const std::string& address, const model::Options& options) {
    cluster->is_crowded(options);  // from now on it holds what is known of its endpoints
    EXPECT_TRUE(bare.worker.shared.health.of("", address + "|8080|")->failed(options, bare.worker.loop.now()));
    bare.worker.shared.health.changed("");
  }
};

model::Balancing by(model::LoadBalance way) {
  model::Balancing out;
  out.load_balance = way;
  return out;
}

// upstream-max-connections: whoever has all of them in use is passed over while another one has not, and asked where
// nobody has.
TEST_F(OfCluster, AFullEndpointIsPassedOver) {
  model::Options options;
  options.upstream_max_connections = 2;
  Publication publication;
  publication.snapshot = bare_snapshot(options);
  bare.worker.apply(publication);
  become({"10.0.0.1", "10.0.0.2", "10.0.0.3"});
  auto of = all(3);
  const auto picked = [&] {
    std::map<std::string, int> out;
    for (int i = 0; i < 30; ++i) {
      std::vector<std::uint32_t> none;
      ++out[pick_untried(none)->text];
    }
    return out;
  };
  EXPECT_EQ(picked().size(), 3U);
  of["10.0.0.1:8080"]->connections = 2;
  auto now = picked();
  EXPECT_EQ(now["10.0.0.1:8080"], 0);
  EXPECT_NEAR(now["10.0.0.2:8080"], 15, 6);
  of["10.0.0.1:8080"]->idle = 1;
  EXPECT_GT(picked()["10.0.0.1:8080"], 5) << "one of its connections may be had";
  of["10.0.0.1:8080"]->idle = 0;
  // One that was tried is no way out.
  of["10.0.0.2:8080"]->connections = 2;
  std::vector<std::uint32_t> tried{of["10.0.0.3:8080"]->load.id};
  EXPECT_NE(pick_untried(tried)->text, "10.0.0.3:8080");
  of["10.0.0.3:8080"]->connections = 2;
  EXPECT_EQ(picked().size(), 3U);
  for (auto& [text, endpoint] : of) endpoint->connections = 0;
}

TEST_F(OfCluster, WhatIsKnownOfAnEndpointOutlivesChanges) {
  become({"10.0.0.1", "10.0.0.2"}, by(model::LoadBalance::ewma));
  std::vector<std::uint32_t> tried;
  const auto endpoint = pick_untried(tried);
  {
    AttemptInFlight attempt(endpoint, cluster->policy(), {});
    EXPECT_EQ(endpoint->load.in_flight, 1U);
    attempt.over({AttemptOutcome::How::answered, 0.25F}, bare.worker.loop.now());
    // The endpoints stand in another order, there is one more, and then another policy.
    become({"10.0.0.3", "10.0.0.2", "10.0.0.1"}, by(model::LoadBalance::ewma));
    EXPECT_EQ(endpoint->load.in_flight, 1U);
    become({"10.0.0.3", "10.0.0.2", "10.0.0.1"}, by(model::LoadBalance::least_request));
    EXPECT_EQ(cluster->policy().name, "least_request");
    // Of three idle ones but for one: never that one.
    for (int i = 0; i < 50; ++i) {
      std::vector<std::uint32_t> none;
      EXPECT_NE(cluster->pick(none), endpoint);
    }
  }
  EXPECT_EQ(endpoint->load.in_flight, 0U);
  EXPECT_FLOAT_EQ(endpoint->load.latency, 0.25F);
}

// The sum that a bound of load goes by is of attempts at those that take requests now, whenever they began.
TEST_F(OfCluster, TheSumOfABoundFollowsEndpointsAndAttempts) {
  model::HashBy hash{"$arg_k"};
  hash.balance_factor = 150;
  model::Balancing bounded;
  bounded.hash_by = hash;
  become({"10.0.0.1", "10.0.0.2"}, by(model::LoadBalance::round_robin));
  const auto endpoints = all(2);
  const auto one = endpoints.at("10.0.0.1:8080"), other = endpoints.at("10.0.0.2:8080");
  auto before = std::make_optional<AttemptInFlight>(one, cluster->policy(), Instant{});
  EXPECT_EQ(one->load.sum, nullptr);  // nobody asks
  become({"10.0.0.1", "10.0.0.2"}, bounded);
  ASSERT_TRUE(one->load.sum);
  EXPECT_EQ(one->load.sum, other->load.sum);
  EXPECT_EQ(*other->load.sum, 1U);
  auto after = std::make_optional<AttemptInFlight>(other, cluster->policy(), Instant{});
  EXPECT_EQ(*other->load.sum, 2U);
  before.reset();
  EXPECT_EQ(*other->load.sum, 1U);
  // One goes with an attempt at it: that counts no longer, and ends without harm when the Cluster is gone.
  become({"10.0.0.1"}, bounded);
  EXPECT_EQ(*one->load.sum, 0U);
  cluster->unpin();
  cluster = nullptr;
  after.reset();
  EXPECT_EQ(other->load.in_flight, 0U);
  EXPECT_EQ(*one->load.sum, 0U);
}

// Who has answered nothing yet is not taken for the quickest while it owes an answer.
TEST_F(OfCluster, EwmaDoesNotFloodWhoHasNeverAnswered) {
  become({"10.0.0.1", "10.0.0.2"}, by(model::LoadBalance::ewma));
  std::vector<std::uint32_t> tried;
  const auto hangs = pick_untried(tried);
  AttemptInFlight waits(hangs, cluster->policy(), {});
  for (int i = 0; i < 50; ++i) {
    std::vector<std::uint32_t> none;
    const auto endpoint = cluster->pick(none);
    EXPECT_NE(endpoint, hangs);
    AttemptInFlight attempt(endpoint, cluster->policy(), {});
    attempt.over({AttemptOutcome::How::answered, 0.005F}, bare.worker.loop.now());
  }
}

// By identity: that the endpoints stand elsewhere now is no reason to ask one twice.
TEST_F(OfCluster, TriedOnesAreKnownHoweverTheEndpointsStand) {
  become({"10.0.0.1", "10.0.0.2"});
  std::vector<std::uint32_t> tried;
  const auto first = pick_untried(tried);
  become({"10.0.0.9", first->text.substr(0, first->text.find(':'))});
  for (int i = 0; i < 4; ++i) {
    auto so_far = tried;
    EXPECT_EQ(cluster->pick(so_far)->text, "10.0.0.9:8080");
  }
}

TEST_F(OfCluster, AnEndpointThatLeavesWhileItIsAskedStaysValid) {
  become({"10.0.0.1"});
  std::vector<std::uint32_t> tried;
  const auto endpoint = pick_untried(tried);
  AttemptInFlight attempt(endpoint, cluster->policy(), {});
  become({"10.0.0.2"});
  EXPECT_TRUE(endpoint->retired);
  EXPECT_EQ(endpoint->load.in_flight, 1U);
  become({"10.0.0.1"});
  std::vector<std::uint32_t> none;
  EXPECT_NE(cluster->pick(none), endpoint);  // another one behind the same address
}

TEST_F(OfCluster, WithoutAWishItLearnsNothing) {
  become({"10.0.0.1"});
  EXPECT_EQ(cluster->policy().name, "round_robin");
  std::vector<std::uint32_t> tried;
  const auto endpoint = pick_untried(tried);
  AttemptInFlight attempt(endpoint, cluster->policy(), {});
  EXPECT_FALSE(attempt.is_observed());
  EXPECT_EQ(placement, nullptr);
}

TEST_F(OfCluster, EndpointsComeAndGoAndThoseThatStayAreTheSame) {
  become({"10.0.0.1", "10.0.0.2"});
  const auto before = all(2);
  become({"10.0.0.2", "10.0.0.3"});
  const auto now = all(2);
  ASSERT_TRUE(now.contains("10.0.0.2:8080") && now.contains("10.0.0.3:8080"));
  EXPECT_EQ(now.at("10.0.0.2:8080"), before.at("10.0.0.2:8080"));
  EXPECT_TRUE(before.at("10.0.0.1:8080")->retired);
  EXPECT_FALSE(before.at("10.0.0.2:8080")->retired);
  EXPECT_NE(now.at("10.0.0.3:8080")->load.id, before.at("10.0.0.1:8080")->load.id) << "ids are not used again";
  become({});
  EXPECT_FALSE(cluster->available());
  std::vector<std::uint32_t> tried;
  EXPECT_EQ(cluster->pick(tried), nullptr);
}

TEST_F(OfCluster, AnotherPodBehindTheSameAddressIsAnotherEndpoint) {
  pod = "default/a";
  become({"10.0.0.1"});
  const auto before = all(1).at("10.0.0.1:8080");
  become({"10.0.0.1"});
  EXPECT_EQ(all(1).at("10.0.0.1:8080"), before);
  pod = "default/b";
  become({"10.0.0.1"});
  EXPECT_NE(all(1).at("10.0.0.1:8080"), before);
  EXPECT_TRUE(before->retired);
}

// It is not ready for a moment: what is known of it, and its connections, are there when it is again.
TEST_F(OfCluster, AnEndpointThatTakesNoRequestsKeepsItsState) {
  become({"10.0.0.1", "10.0.0.2"});
  const auto first = all(2).at("10.0.0.1:8080");
  PooledPod idle(bare.worker, first);
  AttemptInFlight attempt(first, cluster->policy(), {});
  not_ready = "10.0.0.1";
  become({"10.0.0.1", "10.0.0.2"});
  for (int i = 0; i < 4; ++i) {
    std::vector<std::uint32_t> tried;
    EXPECT_EQ(cluster->pick(tried)->text, "10.0.0.2:8080");
  }
  EXPECT_FALSE(first->retired);
  EXPECT_EQ(first->load.in_flight, 1U);
  EXPECT_EQ(first->idle, 1U);
  not_ready.clear();
  become({"10.0.0.1", "10.0.0.2"});
  EXPECT_EQ(all(2).at("10.0.0.1:8080"), first);
}

TEST_F(OfCluster, IdleConnectionsToAnEndpointGoWithIt) {
  become({"10.0.0.1", "10.0.0.2"});
  const auto endpoints = all(2);
  PooledPod gone(bare.worker, endpoints.at("10.0.0.1:8080")), stays(bare.worker, endpoints.at("10.0.0.2:8080"));
  become({"10.0.0.2"});
  bare.worker.loop.turn(0ms);
  EXPECT_TRUE(gone.left_alone());
  EXPECT_FALSE(stays.left_alone());
  EXPECT_EQ(bare.worker.pool.size(), 1U);
  std::exchange(cluster, nullptr)->unpin();
  bare.worker.loop.turn(0ms);
  EXPECT_TRUE(stays.left_alone()) << "and with the Cluster";
}

TEST_F(OfCluster, AnAddressThatIsNoneIsPassedOver) {
  become({"not an address"});
  EXPECT_FALSE(cluster->available());
  become({"not an address", "10.0.0.1"});
  EXPECT_TRUE(cluster->available());
  EXPECT_EQ(all(1).begin()->first, "10.0.0.1:8080");
}

// The same policy goes on with what it has learned; another one begins anew.
TEST_F(OfCluster, ThePolicyOutlivesChangesThatItIsToldOf) {
  become({"10.0.0.1", "10.0.0.2", "10.0.0.3"});
  std::vector<std::string> turns;
  for (int i = 0; i < 6; ++i) {
    become({"10.0.0.1", "10.0.0.2", "10.0.0.3"});
    std::vector<std::uint32_t> tried;
    turns.push_back(cluster->pick(tried)->text);
  }
  EXPECT_EQ(std::set<std::string>(turns.begin(), turns.begin() + 3).size(), 3U) << "each has its turn";
  EXPECT_EQ(turns[0], turns[3]);
  become({"10.0.0.4"});
  std::vector<std::uint32_t> tried;
  EXPECT_EQ(cluster->pick(tried)->text, "10.0.0.4:8080");
  become({"10.0.0.4"}, by(model::LoadBalance::ewma));
  EXPECT_EQ(cluster->policy().name, "ewma");
  become({"10.0.0.4"});
  EXPECT_EQ(cluster->policy().name, "round_robin");
}

// Who is unwell, as checks say, is left out of a Cluster that is checked; of one that is not it is as any other.
TEST_F(OfCluster, WhoIsUnwellIsLeftOutAndNeverAll) {
  model::Balancing checked;
  checked.health = model::HealthCheck{};
  const std::vector<std::string> addresses{"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"};
  become(addresses, checked);
  const auto health = [&](const std::string& address) { return bare.worker.shared.health.of("", address + "|8080|"); };
  const auto asked = [&] {
    std::set<std::string> out;
    for (int i = 0; i < 8; ++i) {
      std::vector<std::uint32_t> tried;
      out.insert(cluster->pick(tried)->text.substr(7, 1));
    }
    return out;
  };
  const auto unwell = [&](const std::string& address) {
    const auto of = health(address);
    of->unwell(bare.clock.now());
    bare.worker.shared.health.changed("");
    bare.clock.advance(1s);
    return of;
  };
  EXPECT_EQ(asked().size(), 4U);
  const auto second = unwell("10.0.0.2");
  EXPECT_EQ(asked(), (std::set<std::string>{"1", "3", "4"}));
  const auto third = unwell("10.0.0.3"), first = unwell("10.0.0.1"), fourth = unwell("10.0.0.4");
  EXPECT_EQ(asked(), (std::set<std::string>{"1", "4"})) << "half of them, who are out for longest";
  second->well();
  bare.worker.shared.health.changed("");
  EXPECT_EQ(asked(), (std::set<std::string>{"2", "4"}));
  become(addresses);
  EXPECT_EQ(asked().size(), 4U) << "nobody asks for checks";
  become({"10.0.0.1"}, checked);
  EXPECT_EQ(asked().size(), 1U) << "never the last one";
}

TEST_F(OfCluster, WhoTakesManyTimesTheMedianIsFoundOnceASecond) {
  model::Options options;
  options.outlier_latency_factor = 3;
  options.outlier_latency_floor = 100ms;
  become({"10.0.0.1", "10.0.0.2", "10.0.0.3"});
  const auto answers = [&](const std::string& address, float seconds) {
    const auto of = bare.worker.shared.health.of("", address + "|8080|");
    for (std::uint32_t i = 0; i < 50 * EndpointHealth::kEnoughAnswers; ++i) of->answered(seconds, bare.clock.now());
    return of;
  };
  const auto find = [&] {
    bare.clock.advance(1s);
    bare.worker.loop.fresh_now();
    const EndpointRuntime* const slow = cluster->find_slow(options);
    return slow == nullptr ? std::string() : slow->text;
  };
  const auto one = answers("10.0.0.1", 0.05F);
  EXPECT_EQ(find(), "") << "there is nobody to compare it with";
  const auto two = answers("10.0.0.2", 0.14F);
  EXPECT_EQ(find(), "") << "less than three times as much";
  answers("10.0.0.2", 0.16F);
  EXPECT_EQ(find(), "10.0.0.2:8080") << "of two the quicker one is the measure";
  EXPECT_EQ(cluster->find_slow(options), nullptr) << "once a second";
  const auto three = answers("10.0.0.3", 0.1F);
  EXPECT_EQ(find(), "") << "the median is 0.1";
  answers("10.0.0.1", 0.001F);
  answers("10.0.0.3", 0.002F);
  answers("10.0.0.2", 0.09F);
  EXPECT_EQ(find(), "") << "below the floor";
  answers("10.0.0.2", 0.2F);
  EXPECT_EQ(find(), "10.0.0.2:8080");
  options.outlier_ejection_time = std::chrono::seconds(10);
  EXPECT_TRUE(two->too_slow(options, bare.clock.now()));
  EXPECT_EQ(find(), "");
}

// By publications, as a worker gets them: numbers of Clusters are used again, and a request goes on with the one that
// it has pinned.
TEST_F(OfCluster, AnotherClusterOfTheSameNumberIsAnother) {
  const auto spec_of = [](const char* name, const char* address) {
    auto spec = std::make_shared<model::Cluster>();
    spec->name = name;
    spec->endpoints.push_back({address, 8080, true, false, false, ""});
    return spec;
  };
  const auto publish = [&](std::shared_ptr<const model::Cluster> spec) {
    Publication next;
    next.snapshot = bare_snapshot();
    next.clusters.push_back({3, std::move(spec), nullptr});
    bare.worker.apply(next);
    return bare.worker.cluster(3);
  };
  ClusterRuntime* const first = publish(spec_of("default/a:80", "10.0.0.1"));
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(bare.worker.cluster(0), nullptr);
  EXPECT_EQ(bare.worker.cluster(4), nullptr);
  first->pin();
  EXPECT_EQ(publish(spec_of("default/a:80", "10.0.0.2")), first) << "the same one, with other endpoints";
  ClusterRuntime* const second = publish(spec_of("default/b:80", "10.0.0.3"));
  EXPECT_NE(second, first);
  std::vector<std::uint32_t> tried;
  EXPECT_EQ(first->pick(tried), nullptr) << "nobody knows any longer whose its addresses are";
  first->unpin();
  EXPECT_EQ(publish(nullptr), nullptr);
}

// Its runtime is made by the first request: what was published before that is known all the same, and nothing else of
// it is kept. One whose policy must know who is new is made at once.
TEST_F(OfCluster, ItIsMadeByTheFirstRequestForIt) {
  const auto publish = [&](std::vector<std::string> addresses, bool slow) {
    auto spec = std::make_shared<model::Cluster>();
    spec->name = "default/a:80";
    for (const auto& address : addresses) spec->endpoints.push_back({address, 8080, true, false, false, ""});
    if (slow) {
      model::Balancing balancing;
      balancing.slow_start = std::chrono::seconds(100);
      spec->balancing = model::Shared<model::Balancing>(balancing);
    }
    Publication next;
    next.snapshot = bare_snapshot();
    next.clusters.push_back({3, addresses.empty() ? nullptr : spec, nullptr});
    bare.worker.apply(next);
    return std::weak_ptr<const model::Cluster>(spec);
  };
  const auto former = publish({"10.0.0.1"}, false);
  const auto latest = publish({"10.0.0.2", "10.0.0.3"}, false);
  EXPECT_TRUE(former.expired());
  EXPECT_EQ(latest.use_count(), 1) << "the worker's number alone";
  std::vector<std::uint32_t> tried;
  EXPECT_EQ(bare.worker.cluster(3)->takers(), 2U);
  EXPECT_EQ(bare.worker.cluster(3), bare.worker.cluster(3));
  EXPECT_NE(bare.worker.cluster(3)->pick(tried), nullptr);
  publish({}, false);
  EXPECT_EQ(bare.worker.cluster(3), nullptr);

  const auto unasked = publish({"10.0.0.1"}, false);
  publish({}, false);
  EXPECT_TRUE(unasked.expired());
  EXPECT_EQ(bare.worker.cluster(3), nullptr);

  publish({"10.0.0.1"}, true);
  publish({"10.0.0.1", "10.0.0.2"}, true);
  EXPECT_EQ(bare.worker.cluster(3)->taker(0)->warm_at, Instant::min());
  EXPECT_GT(bare.worker.cluster(3)->taker(1)->warm_at, bare.clock.now()) << "new to whoever asks for the first time";
}

// Those of our zone first; of them there are to be enough.
TEST_F(OfCluster, FarEndpointsGetWhatTheNearOnesAreTooFewFor) {
  far = {"10.0.1.1", "10.0.1.2"};
  const auto shares = [&](int requests) {
    std::map<std::string, int> out;
    for (int i = 0; i < requests; ++i) {
      std::vector<std::uint32_t> tried;
      ++out[cluster->pick(tried)->text];
    }
    return out;
  };
  near_enough = 200;
  become({"10.0.0.1", "10.0.0.2", "10.0.1.1", "10.0.1.2"});
  EXPECT_EQ(shares(100), (std::map<std::string, int>{{"10.0.0.1:8080", 50}, {"10.0.0.2:8080", 50}}));
  // A further try goes on here, then far, then to whoever the policy says.
  EXPECT_EQ(all(4).size(), 4U);
  std::vector<std::uint32_t> tried;
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(cluster->pick(tried)->text.starts_with("10.0.0."));
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(cluster->pick(tried)->text.starts_with("10.0.1."));
  EXPECT_TRUE(cluster->pick(tried)->text.starts_with("10.0.0."));
  // One of four that would be enough: three quarters go far, in equal shares.
  near_enough = 400;
  become({"10.0.0.1", "10.0.1.1", "10.0.1.2"});
  auto some = shares(10'000);
  EXPECT_NEAR(some["10.0.0.1:8080"], 2'500, 250);
  EXPECT_NEAR(some["10.0.1.1:8080"], 3'750, 250);
  EXPECT_NEAR(some["10.0.1.2:8080"], 3'750, 250);
  // No number: as long as there is one.
  near_enough = 0;
  become({"10.0.0.1", "10.0.1.1", "10.0.1.2"});
  EXPECT_EQ(shares(100).size(), 1U);
  not_ready = "10.0.0.1";
  become({"10.0.0.1", "10.0.1.1", "10.0.1.2"});
  EXPECT_TRUE(cluster->available());
  EXPECT_EQ(shares(100), (std::map<std::string, int>{{"10.0.1.1:8080", 50}, {"10.0.1.2:8080", 50}}));
}

// By turns, so that shares are plain: the new one counts a tenth of another at first, then half.
TEST_F(OfCluster, NewEndpointsGetAShareThatGrows) {
  model::Balancing slow;
  slow.slow_start = std::chrono::seconds(100);
  const auto share_of = [&](const std::string& text) {
    int got = 0;
    for (int i = 0; i < 10'000; ++i) {
      std::vector<std::uint32_t> tried;
      got += cluster->pick(tried)->text == text ? 1 : 0;
    }
    return got;
  };
  become({"10.0.0.1"}, slow);
  become({"10.0.0.1", "10.0.0.2"}, slow);
  EXPECT_NEAR(share_of("10.0.0.2:8080"), 10'000 * 0.1 / 1.1, 120);
  pass(50s);
  EXPECT_NEAR(share_of("10.0.0.2:8080"), 10'000 * 0.5 / 1.5, 250);
  // What else happens does not make it new again.
  become({"10.0.0.2", "10.0.0.1"}, slow);
  EXPECT_NEAR(share_of("10.0.0.2:8080"), 10'000 * 0.5 / 1.5, 250);
  pass(50s);
  EXPECT_EQ(share_of("10.0.0.2:8080"), 5'000);
  // A further try goes there all the same, and where all are new they share.
  become({"10.0.0.1", "10.0.0.3"}, slow);
  std::vector<std::uint32_t> tried;
  std::set<std::string> asked{cluster->pick(tried)->text, cluster->pick(tried)->text};
  EXPECT_EQ(asked.size(), 2U);
  become({"10.0.0.4", "10.0.0.5"}, slow);
  EXPECT_EQ(share_of("10.0.0.4:8080"), 5'000);
  // Nobody asks for it any more.
  become({"10.0.0.4", "10.0.0.5", "10.0.0.6"}, {});
  EXPECT_NEAR(share_of("10.0.0.6:8080"), 3'333, 2);
}

// A Service that had none: the first pod is as cold as those that follow it.
TEST_F(OfCluster, WhereAllAreNewTheFirstOneIsToo) {
  model::Balancing slow;
  slow.slow_start = std::chrono::seconds(100);
  become({}, slow);
  become({"10.0.0.1"}, slow);
  pass(1s);
  become({"10.0.0.1", "10.0.0.2", "10.0.0.3"}, slow);
  const auto share_of_the_first = [&] {
    int got = 0;
    for (int i = 0; i < 3'000; ++i) {
      std::vector<std::uint32_t> tried;
      got += cluster->pick(tried)->text == "10.0.0.1:8080" ? 1 : 0;
    }
    return got;
  };
  EXPECT_NEAR(share_of_the_first(), 1'000, 2);
  pass(49s);
  EXPECT_NEAR(share_of_the_first(), 1'000, 40) << "50 s old beside 49";
}

// What is left out for failures as others are too, of which too many to leave them all out, is asked again once one of
// them has answered.
TEST_F(OfCluster, ThoseThatAreOutTogetherAreCalledBackTogether) {
  model::Options options;
  options.outlier_consecutive_failures = 1;
  options.outlier_ejection_time = 10s;
  serve_with(options);
  become({"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"});
  const auto health_of = [&](int i) {
    return bare.worker.shared.health.of("", "10.0.0." + std::to_string(i) + "|8080|");
  };
  const auto fails = [&](int i) {
    const bool crowded = cluster->is_crowded(options);
    EXPECT_TRUE(health_of(i)->failed(options, bare.worker.loop.now(), crowded));
    bare.worker.shared.health.changed("");
    pass(1ms);
    return crowded;
  };
  EXPECT_FALSE(fails(1) || fails(2));
  EXPECT_FALSE(cluster->too_many_out());
  EXPECT_TRUE(fails(3));
  EXPECT_TRUE(cluster->is_crowded(options) && cluster->too_many_out());
  pass(10s);  // the first three are back, and two of them fail again
  EXPECT_FALSE(fails(1) || fails(2));
  EXPECT_TRUE(cluster->call_back_all());
  EXPECT_FALSE(health_of(1)->is_out(bare.worker.loop.now()));
  EXPECT_TRUE(health_of(1)->is_unproven()) << "one request a worker asks it";
  EXPECT_FALSE(cluster->call_back_all());
  EXPECT_FALSE(cluster->too_many_out());
}

// The same by what ports say, which have connections alone.
TEST_F(OfCluster, AttemptsWithoutARequestCountAsWell) {
  const model::Options options = strict();
  serve_with(options);
  become({"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"});
  const auto of = all(4);
  const auto& first = of.at("10.0.0.1:8080");
  for (const char* const text : {"10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.3:8080"}) {
    cluster->failed(*of.at(text), false, options);
    pass(1ms);
  }
  EXPECT_EQ(bare.stats.endpoints_ejected.get(), 3U);
  EXPECT_EQ(shares_of(20), (std::map<std::string, int>{{"3", 10}, {"4", 10}}));
  const Instant early = bare.worker.loop.now() - 1s;
  cluster->succeeded(*of.at("10.0.0.3:8080"), early);
  EXPECT_TRUE(cluster->health_of(*first).is_out(bare.worker.loop.now())) << "it had been asked before";
  cluster->succeeded(*of.at("10.0.0.3:8080"), bare.worker.loop.now());
  EXPECT_FALSE(cluster->health_of(*first).is_out(bare.worker.loop.now()));
  EXPECT_TRUE(cluster->health_of(*first).is_unproven());
}

// Back again it may still be dead: one request at a time finds out, and the others do not wait with it.
TEST_F(OfCluster, WhoIsBackIsAskedByOneAtATimeUntilItHasAnswered) {
  model::Options options;
  options.outlier_consecutive_failures = 1;
  options.outlier_ejection_time = 10s;
  serve_with(options);
  become({"10.0.0.1", "10.0.0.2", "10.0.0.3"});
  const auto health = bare.worker.shared.health.of("", "10.0.0.1|8080|");
  const auto asked = [&](int requests) {
    int count = 0;
    for (int i = 0; i < requests; ++i) {
      std::vector<std::uint32_t> tried;
      count += cluster->pick(tried)->text == "10.0.0.1:8080" ? 1 : 0;
    }
    return count;
  };
  EXPECT_EQ(asked(30), 10);
  EXPECT_TRUE(health->failed(options, bare.worker.loop.now()));
  bare.worker.shared.health.changed("");
  EXPECT_EQ(asked(30), 0);
  pass(11s);
  std::shared_ptr<EndpointRuntime> endpoint;
  while (!endpoint || endpoint->text != "10.0.0.1:8080") {
    std::vector<std::uint32_t> tried;
    endpoint = cluster->pick(tried);
  }
  std::optional<AttemptInFlight> proof(std::in_place, endpoint, cluster->policy(), Instant{});
  EXPECT_EQ(asked(30), 0) << "one is about to find out";
  proof.reset();
  EXPECT_GT(asked(30), 0) << "it has not said anything: another one";
  proof.emplace(endpoint, cluster->policy(), Instant{});
  health->succeeded(bare.worker.loop.now());
  EXPECT_EQ(asked(30), 10);
  // A further try goes there all the same where nobody else is left.
  health->failed(options, bare.worker.loop.now());
  bare.worker.shared.health.changed("");
  pass(30s);
  std::vector<std::uint32_t> tried;
  std::set<std::string> all;
  for (int i = 0; i < 3; ++i) all.insert(cluster->pick(tried)->text);
  EXPECT_EQ(all.size(), 3U);
}

// They are passed over by turns, too: who stands behind many of them gets no more than the others.
TEST_F(OfCluster, WhoStandsBehindManyThatAreLeftOutGetsItsShareAlone) {
  const model::Options options = strict();
  serve_with(options);
  std::vector<std::string> addresses;
  for (int i = 0; i < 100; ++i) addresses.push_back("10.0.0." + std::to_string(i + 1));
  become(addresses);
  for (int i = 0; i < 50; ++i) leave_out(addresses[static_cast<std::size_t>(i)], options);
  const auto shares = shares_of(1'000);
  EXPECT_EQ(shares.size(), 50U);
  for (const auto& [text, got] : shares) EXPECT_EQ(got, 20) << text;
  // A further try goes to none of them either.
  std::vector<std::uint32_t> tried;
  std::set<std::string> asked;
  for (int i = 0; i < 16; ++i) asked.insert(cluster->pick(tried)->text);
  EXPECT_EQ(asked.size(), 16U);
  for (int i = 1; i <= 50; ++i) EXPECT_FALSE(asked.contains("10.0.0." + std::to_string(i) + ":8080"));
}

// A session stays with its pod, out or not; who has none goes to those that are well.
TEST_F(OfCluster, ARequestWithoutASessionGoesToNobodyWhoIsLeftOut) {
  const model::Options options = strict();
  serve_with(options);
  model::Balancing sessions;
  sessions.affinity = model::Affinity{};
  become({"10.0.0.1", "10.0.0.2", "10.0.0.3"}, sessions);
  leave_out("10.0.0.2", options);
  const auto shares = shares_of(30);
  EXPECT_FALSE(shares.contains("2"));
  EXPECT_EQ(shares.size(), 2U);
}

// Elsewhere as here: 1 is of our zone, the others are not, and ten would be enough.
struct OfFarEndpoints : OfCluster {
  OfFarEndpoints() {
    near_enough = 1'000;
    for (int i = 2; i <= 9; ++i) far.insert("10.0.0." + std::to_string(i));
  }
};

TEST_F(OfFarEndpoints, OneThatIsLeftOutIsMissedByNobodyMoreThanByOthers) {
  const model::Options options = strict();
  serve_with(options);
  become({"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.7"});
  leave_out("10.0.0.7", options);
  auto shares = shares_of(10'000);
  EXPECT_EQ(shares["7"], 0);
  EXPECT_NEAR(shares["1"], 1'000, 250);
  for (const char* const one : {"2", "3", "4", "5", "6"}) EXPECT_NEAR(shares[one], 1'800, 250) << one;
  // All of them but one.
  model::Options all = options;
  all.outlier_max_ejected_percent = 100;
  serve_with(all);
  for (const char* const one : {"10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"}) leave_out(one, all);
  EXPECT_EQ(shares_of(100), (std::map<std::string, int>{{"1", 100}}));
  pass(30s);
  for (const char* const one : {"10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.7"})
    bare.worker.shared.health.of("", std::string(one) + "|8080|")->succeeded(bare.worker.loop.now());
  leave_out("10.0.0.1", all);
  EXPECT_FALSE(shares_of(1'000).contains("1")) << "nobody is well here";
}

TEST_F(OfFarEndpoints, WhoIsBackIsAskedByOneAtATime) {
  const model::Options options = strict();
  serve_with(options);
  become({"10.0.0.1", "10.0.0.2", "10.0.0.3"});
  leave_out("10.0.0.2", options);
  EXPECT_EQ(shares_of(100)["2"], 0);
  pass(11s);
  std::shared_ptr<EndpointRuntime> back;
  while (!back || back->text != "10.0.0.2:8080") {
    std::vector<std::uint32_t> tried;
    back = cluster->pick(tried);
  }
  std::optional<AttemptInFlight> proof(std::in_place, back, cluster->policy(), Instant{});
  EXPECT_EQ(shares_of(100)["2"], 0) << "one is about to find out";
  // Nobody else is elsewhere: rather here.
  become({"10.0.0.1", "10.0.0.2"});
  EXPECT_EQ(shares_of(100)["1"], 100);
  proof.reset();
  EXPECT_GT(shares_of(100)["2"], 50);
}

TEST_F(OfFarEndpoints, NewOnesGetAShareThatGrows) {
  model::Balancing slow;
  slow.slow_start = std::chrono::seconds(100);
  become({"10.0.0.1", "10.0.0.2"}, slow);
  become({"10.0.0.1", "10.0.0.2", "10.0.0.3"}, slow);
  auto shares = shares_of(10'000);
  EXPECT_NEAR(shares["1"], 1'000, 250);
  EXPECT_LT(shares["3"], 1'200) << "it is passed over nine times of ten";
  EXPECT_GT(shares["3"], 200);
  pass(101s);
  EXPECT_NEAR(shares_of(10'000)["3"], 4'500, 300);
}

TEST_F(OfFarEndpoints, OneThatTakesTooLongIsFound) {
  model::Options options;
  options.outlier_latency_factor = 3;
  options.outlier_latency_floor = 100ms;
  become({"10.0.0.1", "10.0.0.2", "10.0.0.3"});
  const std::pair<const char*, float> all[] = {{"10.0.0.1", 0.05F}, {"10.0.0.2", 0.06F}, {"10.0.0.3", 1.5F}};
  std::vector<std::shared_ptr<EndpointHealth>> known;
  for (const auto& [address, seconds] : all) {
    const auto& of = known.emplace_back(bare.worker.shared.health.of("", std::string(address) + "|8080|"));
    for (std::uint32_t i = 0; i < 50 * EndpointHealth::kEnoughAnswers; ++i) of->answered(seconds, bare.clock.now());
  }
  bare.clock.advance(1s);
  bare.worker.loop.fresh_now();
  const EndpointRuntime* const slow = cluster->find_slow(options);
  ASSERT_NE(slow, nullptr);
  EXPECT_EQ(slow->text, "10.0.0.3:8080");
}

// upstream-max-connections: also for those here, however many of them are enough.
TEST_F(OfFarEndpoints, OnesThatHaveRoomAreAskedWhereNobodyHereHasAny) {
  model::Options options;
  options.upstream_max_connections = 1;
  serve_with(options);
  near_enough = 0;
  become({"10.0.0.1", "10.0.0.2", "10.0.0.3"});
  const auto of = all(3);
  EXPECT_EQ(shares_of(100)["1"], 100);
  of.at("10.0.0.1:8080")->connections = 1;
  auto shares = shares_of(100);
  EXPECT_EQ(shares["1"], 0);
  EXPECT_NEAR(shares["2"], 50, 25);
  of.at("10.0.0.2:8080")->connections = 1;
  EXPECT_EQ(shares_of(100)["3"], 100);
  of.at("10.0.0.3:8080")->connections = 1;
  EXPECT_EQ(shares_of(100)["1"], 100) << "nobody has: here";
  for (const auto& [text, endpoint] : of) endpoint->connections = 0;
}

}  // namespace
}  // namespace sluice::data
