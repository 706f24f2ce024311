// Which endpoints a worker checks, for how long, and what becomes of it: with real sockets, and a clock that the test
// moves.
#include "data/server/health_checks.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bare_worker.h"

namespace sluice::data {
namespace {

using namespace std::chrono_literals;

// A socket that is bound and listens or does not.
struct Pod {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  std::uint16_t port = 0;
  Pod() {
    const auto any = net::make_address("127.0.0.1", 0).value();
    EXPECT_EQ(bind(fd, any.get(), any.size), 0);
    port = net::local_address(fd).port();
  }
  Pod(const Pod&) = delete;
  Pod& operator=(const Pod&) = delete;
  ~Pod() { close(fd); }
  void begin() { EXPECT_EQ(::listen(fd, 64), 0); }
  // How many connections have come since the last time; they are closed.
  int take() {
    for (int n = 0;; ++n) {
      const int one = accept4(fd, nullptr, nullptr, SOCK_NONBLOCK);
      if (one < 0) return n;
      close(one);
    }
  }
};

struct Checks : ::testing::Test {
  BareWorker bare;
  Worker& worker = bare.worker;
  Pod pod;

  static model::HealthCheck tcp() {
    model::HealthCheck out;
    out.by = model::CheckBy::tcp;
    out.interval = 1s;
    out.timeout = 500ms;
    out.unhealthy_after = 2;
    out.healthy_after = 1;
    return out;
  }
  std::shared_ptr<model::Cluster> cluster(const std::string& name, const model::Shared<model::HealthCheck>& check,
                                          bool ready = true) {
    auto out = std::make_shared<model::Cluster>();
    out->name = name;
    out->ns = "default";
    out->endpoints = {{"127.0.0.1", pod.port, ready, false, false, "default/pod"}};
    if (check) {
      model::Balancing balancing;
      balancing.health = check;
      out->balancing = balancing;
    }
    return out;
  }
  void publish(ClusterId id, std::shared_ptr<const model::Cluster> of) {
    Publication next;
    next.snapshot = bare_snapshot();
    next.clusters.push_back({id, std::move(of), nullptr});
    worker.apply(next, nullptr);
  }
  // So much time passes, and what is due is done.
  void pass(Duration time) {
    for (Duration passed{}; passed < time; passed += 50ms) {
      bare.clock.advance(50ms);
      worker.loop.turn(0ms);
      worker.loop.turn(0ms);  // what a connection has come to
    }
  }
  std::uint64_t refused() const { return bare.stats.checks_unconnected.get(); }
  std::uint64_t well() const { return bare.stats.checks_well.get(); }
  bool is_unwell() const {
    const auto health = bare.shared.health.find("default", "127.0.0.1|" + std::to_string(pod.port) + "|default/pod");
    return health && health->is_unwell();
  }
};

TEST_F(Checks, AreMadeOnceAnIntervalForAsLongAsTheClusterAsks) {
  pod.begin();
  publish(0, cluster("default/a:80", {}));
  pass(5s);
  EXPECT_EQ(well(), 0U) << "nobody has asked for them";
  publish(0, cluster("default/a:80", tcp()));
  pass(1100ms);
  EXPECT_GE(well(), 1U) << "the first one within an interval";
  EXPECT_LE(well(), 2U);
  pass(10s);
  EXPECT_GE(well(), 9U);
  EXPECT_LE(well(), 13U) << "a tenth more or less each";
  EXPECT_EQ(pod.take(), static_cast<int>(well()));
  // Nothing but the Snapshot is new: it goes on in its time.
  const auto before = well();
  for (int i = 0; i < 20; ++i) {
    publish(0, cluster("default/a:80", tcp()));
    pass(100ms);
  }
  EXPECT_LE(well(), before + 3);
  EXPECT_GE(well(), before + 1);
  // It takes no requests, then it is gone.
  publish(0, cluster("default/a:80", tcp(), false));
  const auto last = well();
  pass(3s);
  EXPECT_EQ(well(), last);
  publish(0, nullptr);
  pass(3s);
  EXPECT_EQ(well(), last);
}

TEST_F(Checks, TwoClustersThatAskTheSameShareOneAndTwoThatDoNotHaveTwo) {
  pod.begin();
  publish(0, cluster("default/a:80", tcp()));
  publish(1, cluster("default/b:80", tcp()));
  pass(10s);
  EXPECT_LE(well(), 13U);
  publish(0, nullptr);
  auto before = well();
  pass(10s);
  EXPECT_GE(well(), before + 8) << "the other one still asks";
  auto other = tcp();
  other.interval = 2s;
  publish(0, cluster("default/c:80", other));
  before = well();
  pass(10s);
  EXPECT_GE(well(), before + 12);
  EXPECT_LE(well(), before + 20);
}

TEST_F(Checks, WhatTheyFindOutlivesChangesOfHowOftenAndEndsWithThem) {
  publish(0, cluster("default/a:80", tcp()));
  pass(2300ms);
  EXPECT_GE(refused(), 2U);
  EXPECT_TRUE(is_unwell());
  const auto changes = bare.shared.health.changes(HealthTable::slot_of("default"));
  auto slower = tcp();
  slower.interval = 3600s;
  publish(0, cluster("default/a:80", slower));
  EXPECT_TRUE(is_unwell()) << "as the other one has found";
  EXPECT_GT(bare.shared.health.changes(HealthTable::slot_of("default")), changes) << "workers look again";
  auto another = tcp();
  another.by = model::CheckBy::http;
  publish(0, cluster("default/a:80", another));
  EXPECT_FALSE(is_unwell()) << "that asks something else, and nothing is known";
  pass(2300ms);
  EXPECT_TRUE(is_unwell());
  // Well again.
  publish(0, cluster("default/a:80", tcp()));
  pass(2300ms);
  EXPECT_TRUE(is_unwell());
  pod.begin();
  pass(1200ms);
  EXPECT_GE(well(), 1U);
  EXPECT_FALSE(is_unwell());
  EXPECT_EQ(bare.shared.health.count(bare.clock.now()).unwell, 0U);
}

TEST_F(Checks, AClusterThatGoesTakesItsVerdictAlong) {
  publish(0, cluster("default/a:80", tcp()));
  const auto held = bare.shared.health.of("default", "127.0.0.1|" + std::to_string(pod.port) + "|default/pod");
  pass(2300ms);
  EXPECT_TRUE(held->is_unwell());
  publish(0, nullptr);
  EXPECT_FALSE(held->is_unwell());
}

TEST_F(Checks, OneThatGetsNoAnswerEndsInTimeAndIsGivenUpWithItsCluster) {
  pod.begin();  // connects, and says nothing
  auto http = tcp();
  http.by = model::CheckBy::http;
  publish(0, cluster("default/a:80", http));
  pass(2500ms);
  EXPECT_GE(bare.stats.checks_timeout.get(), 1U);
  EXPECT_EQ(bare.stats.checks_skipped.get(), 0U);
  const auto connections = [&] { return bare.stats.upstream_connections.get(); };
  while (connections() == 0) pass(50ms);
  publish(0, nullptr);
  pass(100ms);
  EXPECT_EQ(connections(), 0U) << "the one that was under way is given up";
}

TEST_F(Checks, EachEndpointIsCheckedByOneWorkerOfSeveral) {
  pod.begin();
  bare.shared.workers = 64;
  publish(0, cluster("default/a:80", tcp()));
  pass(2500ms);
  // By a hash with a key that nobody knows: one of the 64 does it, most likely another one.
  const std::string key = "default/127.0.0.1|" + std::to_string(pod.port) + "|default/pod";
  const bool ours = hash_name(bare.shared.loop_seed, key) % 64 == 0;
  EXPECT_EQ(well() != 0, ours);
}

TEST_F(Checks, AListenerOfOursIsRefusedAsForRequests) {
  pod.begin();
  Publication next;
  const auto snapshot = bare_snapshot();
  auto own = std::make_shared<model::OwnListeners>();
  own->all.push_back({"http", *model::read_ip("127.0.0.1"), pod.port});
  snapshot->own = own;
  next.snapshot = snapshot;
  next.clusters.push_back({0, cluster("default/a:80", tcp()), nullptr});
  worker.apply(next, nullptr);
  pass(2500ms);
  EXPECT_GE(refused(), 2U);
  EXPECT_EQ(pod.take(), 0);
  EXPECT_GE(bare.stats.own_refused.get(), 2U);
}

TEST_F(Checks, WithoutAPlaceForAConnectionNothingIsFound) {
  pod.begin();
  auto check = tcp();
  check.unhealthy_after = 1;
  Publication next;
  model::Options options;
  options.upstream_max_connections = 1;
  next.snapshot = bare_snapshot(options);
  next.clusters.push_back({0, cluster("default/a:80", check), nullptr});
  worker.apply(next, nullptr);
  const auto endpoint = worker.cluster(0)->taker(0);
  endpoint->connections = 1;  // of somebody who keeps it
  pass(5s);
  EXPECT_GE(bare.stats.checks_skipped.get(), 2U);
  EXPECT_EQ(bare.stats.checks_timeout.get() + refused() + well(), 0U);
  EXPECT_FALSE(is_unwell());
  endpoint->connections = 0;
  pass(2500ms);
  EXPECT_GE(well(), 1U);
}

TEST_F(Checks, EndWithTheWorker) {
  pod.begin();
  auto http = tcp();
  http.by = model::CheckBy::http;
  http.timeout = 60s;
  publish(0, cluster("default/a:80", http));
  while (bare.stats.upstream_connections.get() == 0) pass(50ms);
  worker.drain(10s);
  pass(200ms);
  EXPECT_EQ(bare.stats.upstream_connections.get(), 0U);
  EXPECT_EQ(bare.stats.checks_timeout.get(), 0U);
}

}  // namespace
}  // namespace sluice::data
