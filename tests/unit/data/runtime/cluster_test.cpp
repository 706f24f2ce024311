// What a worker knows of a Cluster: its endpoints' state outlives changes, and what was begun is ended.
#include "data/runtime/cluster.h"

#include <gtest/gtest.h>

#include "../bare_context.h"
#include "data/balance/placement.h"

namespace sluice::data {
namespace {

using namespace std::chrono_literals;

struct OfCluster : ::testing::Test {
  BareContext bare;
  ClusterRuntime* cluster = nullptr;
  std::shared_ptr<const Placement> placement;
  ~OfCluster() override {
    if (cluster != nullptr) cluster->unpin();
  }
  void become(const std::vector<std::string>& addresses, const model::Shared<model::Balancing>& balancing = {}) {
    auto spec = std::make_shared<model::Cluster>();
    spec->name = "default/svc:80";
    spec->balancing = balancing;
    for (const auto& address : addresses) spec->endpoints.push_back({address, 8080, true, false, ""});
    placement = Placement::of(*spec, placement.get());
    if (cluster == nullptr)
      cluster = new ClusterRuntime(bare.worker, spec, placement, 1);
    else
      cluster->reconcile(spec, placement);
  }
  std::shared_ptr<EndpointRuntime> pick_untried(std::vector<std::uint32_t>& tried) { return cluster->pick(tried); }
};

model::Balancing by(model::LoadBalance way) {
  model::Balancing out;
  out.load_balance = way;
  return out;
}

TEST_F(OfCluster, WhatIsKnownOfAnEndpointOutlivesChanges) {
  become({"10.0.0.1", "10.0.0.2"}, by(model::LoadBalance::ewma));
  std::vector<std::uint32_t> tried;
  const auto endpoint = pick_untried(tried);
  {
    AttemptInFlight attempt(*endpoint, cluster->policy());
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

// Who has answered nothing yet is not taken for the quickest while it owes an answer.
TEST_F(OfCluster, EwmaDoesNotFloodWhoHasNeverAnswered) {
  become({"10.0.0.1", "10.0.0.2"}, by(model::LoadBalance::ewma));
  std::vector<std::uint32_t> tried;
  const auto hangs = pick_untried(tried);
  AttemptInFlight waits(*hangs, cluster->policy());
  for (int i = 0; i < 50; ++i) {
    std::vector<std::uint32_t> none;
    const auto endpoint = cluster->pick(none);
    EXPECT_NE(endpoint, hangs);
    AttemptInFlight attempt(*endpoint, cluster->policy());
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
  AttemptInFlight attempt(*endpoint, cluster->policy());
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
  AttemptInFlight attempt(*endpoint, cluster->policy());
  EXPECT_FALSE(attempt.is_observed());
  EXPECT_EQ(placement, nullptr);
}

}  // namespace
}  // namespace sluice::data
