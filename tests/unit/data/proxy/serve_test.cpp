// A request from its head to its record.
#include "data/proxy/serve.h"

#include <gtest/gtest.h>

#include <map>

#include "../allocations.h"
#include "../site.h"
#include "data/filter/order.h"
#include "data/plan/plan.h"
#include "net/h1/parser.h"

namespace sluice::data {
namespace {

using namespace std::chrono_literals;

// A guard that says what the test says, and waits where it is told to.
struct Guard final : Step {
  std::optional<LocalReply> decide(const RequestView&) const override {
    return refuses && !asks ? std::optional(LocalReply{.status = 403, .why = "the guard"}) : std::nullopt;
  }
  bool waits(const RequestView&) const override { return asks; }
  net::Task<Result<std::optional<LocalReply>>> wait(Exchange& ex) const override {
    net::EndOfTurn others(ex.worker.loop);
    co_await others;
    Result<std::optional<LocalReply>> out{};
    if (refuses) out->emplace(LocalReply{.status = 401, .why = "the guard, after a while"});
    co_return std::move(out);
  }
  bool refuses = true, asks = false;
};

// A Plan of the guard alone.
std::shared_ptr<const Plan> guarded_by(const Guard& guard) {
  static const Guard* the_guard;
  the_guard = &guard;
  static const Row row{"guard", in(Phase::guard),
                       [](const Needs&) -> StepPtr { return StepPtr(StepPtr(), the_guard); }};
  const Ordered rows[] = {{&row, "the only one"}};
  return Plan::of_route(rows, {model::RouteSettings{}});
}

TEST(Serve, APodAnswers) {
  Site site(1);
  site.asks();
  ASSERT_FALSE(site.over);
  EXPECT_EQ(site.stats.requests_active.get(), 1U);
  EXPECT_EQ(site.worker.pool.size(), 0U);
  EXPECT_EQ(site.asked(0).endpoint->load.in_flight, 1U);
  const auto heard = site.asked(0).heard();
  EXPECT_TRUE(heard.starts_with("GET /x HTTP/1.1\r\nHost: a.example\r\n")) << heard;
  site.asked(0).says(kHello);
  site.turn();
  ASSERT_TRUE(site.over);
  EXPECT_EQ(site.client.status, 200);
  EXPECT_EQ(site.client.text, "hello");
  EXPECT_TRUE(site.client.complete());
  EXPECT_FALSE(site.ex->close_after);
  EXPECT_EQ(site.told.count, 1);
  EXPECT_EQ(site.told.status, 200);
  EXPECT_EQ(site.told.attempts, 1);
  EXPECT_EQ(site.told.addresses[0], "192.0.2.1:8080");
  EXPECT_EQ(site.told.path, "/");
  EXPECT_EQ(site.worker.pool.size(), 1U) << "the connection serves another exchange";
  EXPECT_EQ(site.asked(0).endpoint->load.in_flight, 0U);
  EXPECT_EQ(site.stats.requests.get(), 1U);
  EXPECT_EQ(site.stats.requests_active.get(), 0U);
  EXPECT_EQ(site.ex->view, nullptr);
  EXPECT_EQ(site.ex->cluster, nullptr);
}

TEST(Serve, NoRouteIs404) {
  Site site(1);
  site.asks("GET /nowhere");
  ASSERT_TRUE(site.over);
  EXPECT_EQ(site.client.status, 404);
  EXPECT_FALSE(site.client.from_pod);
  EXPECT_NE(site.client.text.find("404 Not Found"), std::string::npos);
  EXPECT_EQ(site.told.status, 404);
  EXPECT_EQ(site.told.attempts, 0);
  EXPECT_FALSE(site.told.ours) << "the client's own";
  EXPECT_EQ(site.worker.pool.size(), 1U) << "no pod was asked";
}

TEST(Serve, NoEndpointIs503) {
  Site site(0);
  site.asks();
  ASSERT_TRUE(site.over);
  EXPECT_EQ(site.client.status, 503);
  EXPECT_EQ(site.told.status, 503);
  EXPECT_EQ(site.told.reason, "the Service has no ready endpoints");
  EXPECT_TRUE(site.told.ours);
}

TEST(Serve, APathAboveTheRootIsRefused) {
  Site site(1);
  site.asks("GET /../x");
  ASSERT_TRUE(site.over);
  EXPECT_EQ(site.client.status, 400);
  EXPECT_EQ(site.told.attempts, 0);
}

TEST(Serve, AGuardAnswersInPlaceOfThePod) {
  Site site(1);
  const Guard guard;
  const auto plan = guarded_by(guard);
  site.table->route.plan = plan.get();
  site.asks();
  ASSERT_TRUE(site.over);
  EXPECT_EQ(site.client.status, 403);
  EXPECT_EQ(site.told.attempts, 0);
  EXPECT_EQ(site.worker.pool.size(), 1U);
}

TEST(Serve, AGuardMayTakeItsTime) {
  for (const bool refuses : {true, false}) {
    Site site(1);
    Guard guard;
    guard.asks = true;
    guard.refuses = refuses;
    const auto plan = guarded_by(guard);
    site.table->route.plan = plan.get();
    site.asks();
    if (refuses) {
      ASSERT_TRUE(site.over);
      EXPECT_EQ(site.client.status, 401);
      EXPECT_EQ(site.told.attempts, 0);
    } else {
      ASSERT_FALSE(site.over);
      site.asked(0).says(kHello);
      site.turn();
      ASSERT_TRUE(site.over);
      EXPECT_EQ(site.client.status, 200);
    }
  }
}

TEST(Serve, ABodyThatIsNotHereIsNotWaitedForByAnAnswerOfOurs) {
  Site site(1);
  site.asks("POST /nowhere", "Content-Length: 5\r\n");
  ASSERT_TRUE(site.over);
  EXPECT_EQ(site.client.status, 404);
  EXPECT_TRUE(site.ex->close_after);
}

TEST(Serve, NewRequestsAreRefusedWhenMemoryIsShort) {
  Site site(1);
  site.figures = {990'000'000, 1'000'000'000};
  site.overload.look();
  site.asks();
  ASSERT_TRUE(site.over);
  EXPECT_EQ(site.client.status, 503);
  EXPECT_TRUE(site.ex->close_after);
  EXPECT_EQ(site.stats.overload_refused.get(), 1U);
  EXPECT_EQ(site.client.field("Retry-After: "), "1");
  EXPECT_EQ(site.told.attempts, 0);
}

// Which requests are refused by what holds, and how. `used`: thousandths of the limit of `source`.
struct Refused {
  bool refused = false, closes = false;
  std::string after;
  std::uint64_t low = 0, all = 0;
};
Refused refused(Source source, std::uint64_t used, model::Priority priority) {
  Site site(1);
  site.settings.priority = priority;
  MemoryFigures of_memory;
  Overload::Counts counts;
  site.overload.count_by([&] { return counts; });
  if (source == Source::memory) site.figures = {used * 1'000'000, 1'000'000'000};
  if (source == Source::descriptors) counts.descriptors = {used, 1064};  // 64 are for pods
  if (source == Source::connections) counts.connections = {used, 1000};
  site.overload.look();
  site.asks();
  Refused out{site.over, site.ex->close_after, site.client.field("Retry-After: "),
              site.stats.overload_low_refused.get(), site.stats.overload_refused.get()};
  if (site.over) {
    EXPECT_EQ(site.client.status, 503);
  } else {
    site.asked(0).says(kHello);
    site.turn();
  }
  return out;
}

TEST(Serve, ThoseOfLowPriorityAreRefusedFirst) {
  using enum model::Priority;
  for (const auto priority : {low, normal, high}) EXPECT_FALSE(refused(Source::memory, 929, priority).refused);
  const Refused first = refused(Source::memory, 930, low);
  EXPECT_TRUE(first.refused);
  EXPECT_TRUE(first.closes);
  EXPECT_EQ(first.after, "1");
  EXPECT_EQ(first.low, 1U);
  EXPECT_EQ(first.all, 0U);
  EXPECT_FALSE(refused(Source::memory, 930, normal).refused);
  EXPECT_TRUE(refused(Source::memory, 950, low).refused);
  const Refused then = refused(Source::memory, 950, normal);
  EXPECT_TRUE(then.refused);
  EXPECT_EQ(then.after, "1");
  EXPECT_EQ(then.low, 0U);
  EXPECT_EQ(then.all, 1U);
  EXPECT_FALSE(refused(Source::memory, 979, high).refused);
  EXPECT_TRUE(refused(Source::memory, 980, high).refused);
}

TEST(Serve, OfDescriptorsAndConnectionsRequestsAreRefusedLater) {
  using enum model::Priority;
  EXPECT_TRUE(refused(Source::descriptors, 930, low).refused);
  EXPECT_FALSE(refused(Source::descriptors, 1042, normal).refused) << "nobody new is let in by now";
  EXPECT_TRUE(refused(Source::descriptors, 1043, normal).refused);
  EXPECT_FALSE(refused(Source::descriptors, 1064, high).refused) << "it may find one";
  EXPECT_TRUE(refused(Source::connections, 930, low).closes) << "its connection is what is short";
  EXPECT_FALSE(refused(Source::connections, 1000, normal).refused);
}

TEST(Serve, AClientThatLeavesIsNotAnswered) {
  Site site(2);
  site.asks();
  ASSERT_FALSE(site.over);
  PooledPod& pod = site.asked(0);
  FakeClient::leave(*site.ex);
  site.turn();
  ASSERT_TRUE(site.over);
  EXPECT_EQ(site.client.status, 0);
  EXPECT_TRUE(site.ex->close_after);
  EXPECT_EQ(site.told.status, 499);
  EXPECT_FALSE(site.told.ours);
  EXPECT_EQ(site.told.attempts, 1) << "no other pod is asked";
  pod.heard();
  EXPECT_TRUE(pod.left_alone()) << "nobody waits for what this one says";
  EXPECT_EQ(site.worker.pool.size(), 1U);
}

// The errors of pods.

TEST(Serve, AnotherPodIsAskedAfterOneThatHungUpAndNeverTheSame) {
  Site site(3);
  site.settings.tries = 3;
  site.asks();
  site.asked(0).hang_up();
  site.turn();
  ASSERT_FALSE(site.over);
  site.asked(1).hang_up();
  site.turn();
  ASSERT_FALSE(site.over);
  EXPECT_TRUE(site.asked(2).heard().starts_with("GET /x "));
  site.asked(2).says(kHello);
  site.turn();
  ASSERT_TRUE(site.over);
  EXPECT_EQ(site.client.status, 200);
  EXPECT_EQ(site.told.attempts, 3);
  EXPECT_EQ(site.stats.retries.get(), 2U);
  EXPECT_NE(site.told.addresses[0], site.told.addresses[1]);
  EXPECT_NE(site.told.addresses[1], site.told.addresses[2]);
  EXPECT_NE(site.told.addresses[0], site.told.addresses[2]);
}

TEST(Serve, AfterTheLastTryTheClientIsTold) {
  Site site(3);
  site.settings.tries = 2;
  site.asks();
  site.asked(0).hang_up();
  site.turn();
  site.asked(1).hang_up();
  site.turn();
  ASSERT_TRUE(site.over);
  EXPECT_EQ(site.client.status, 502);
  EXPECT_EQ(site.told.attempts, 2);
  EXPECT_TRUE(site.told.ours);
  EXPECT_EQ(site.told.reason, "the pod closed without a response");
}

TEST(Serve, APodThatSaysNothingIsWaitedForNoLongerThanTheRouteSays) {
  Site site(2);
  site.settings.tries = 2;
  site.settings.read_timeout = 10s;
  site.asks();
  site.pass(9s);
  EXPECT_EQ(site.ex->record.attempts, 1);
  site.pass(2s);
  ASSERT_FALSE(site.over);
  EXPECT_EQ(site.ex->record.attempts, 2);
  EXPECT_NE(site.asked(0).endpoint, site.asked(1).endpoint);
  site.pass(11s);
  ASSERT_TRUE(site.over);
  EXPECT_EQ(site.client.status, 504);
  EXPECT_EQ(site.told.attempts, 2);
}

TEST(Serve, NoFurtherTryBeginsAfterTheTimeForTries) {
  Site site(2);
  site.settings.tries_timeout = 5s;
  site.settings.read_timeout = 10s;
  site.asks();
  site.pass(11s);
  ASSERT_TRUE(site.over);
  EXPECT_EQ(site.client.status, 504);
  EXPECT_EQ(site.told.attempts, 1);
}

TEST(Serve, AllTriesTogetherTakeNoLongerThanRequestTimeout) {
  Site site(3);
  site.settings.read_timeout = 6s;
  site.settings.request_timeout = 10s;
  site.asks();
  site.pass(7s);
  site.pass(2s);
  ASSERT_FALSE(site.over);
  EXPECT_EQ(site.ex->record.attempts, 2);
  site.pass(2s);
  ASSERT_TRUE(site.over);
  EXPECT_EQ(site.client.status, 504);
  EXPECT_EQ(site.told.reason, "request-timeout has passed");
  EXPECT_EQ(site.told.attempts, 2) << "no further one begins";
}

TEST(Serve, AnAnswerThatHasBegunIsCutAtRequestTimeout) {
  Site site(1);
  site.settings.request_timeout = 10s;
  site.asks();
  site.asked(0).says("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel");
  site.turn();
  site.pass(9s);
  ASSERT_FALSE(site.over);
  site.pass(2s);
  ASSERT_TRUE(site.over);
  EXPECT_TRUE(site.client.aborted);
  EXPECT_EQ(site.client.text, "hel");
  EXPECT_EQ(site.told.reason, "request-timeout has passed");
}

TEST(Serve, ABodyThatTookAllTheTimeAsksNoPod) {
  Site site(1);
  site.settings.request_timeout = 10s;
  site.asks("POST /x", "Transfer-Encoding: chunked\r\n");
  site.pass(11s);
  EXPECT_FALSE(site.over) << "the client sends";
  site.client.request.add("pay", true);
  site.turn();
  ASSERT_TRUE(site.over);
  EXPECT_EQ(site.client.status, 504);
  EXPECT_EQ(site.told.attempts, 0);
}

// A client chooses what it brings along, an Ingress what its pods have.
TEST(Serve, ADeadlineOfTheClientsIsNoFaultOfThePods) {
  for (const bool of_the_client : {true, false}) {
    model::Options options;
    options.outlier_consecutive_failures = 1;
    Site site(3, options);
    site.settings.request_timeout = 10s;
    site.asks("GET /x", of_the_client ? "Content-Type: application/grpc\r\ngrpc-timeout: 9S\r\n" : "");
    site.pass(11s);
    ASSERT_TRUE(site.over);
    EXPECT_EQ(site.stats.endpoints_ejected.get(), of_the_client ? 0U : 1U);
    EXPECT_EQ(site.told.reason, of_the_client ? "the call's grpc-timeout has passed" : "request-timeout has passed");
  }
}

TEST(Serve, AStatusOfTheRouteSendsTheRequestToAnotherPod) {
  Site site(2);
  site.settings.retry_on.add(model::RetryOn::http_503);
  site.asks();
  site.asked(0).says("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy");
  site.turn();
  ASSERT_FALSE(site.over);
  site.asked(1).says(kHello);
  site.turn();
  ASSERT_TRUE(site.over);
  EXPECT_EQ(site.client.text, "hello");
  EXPECT_EQ(site.told.statuses[0], 503);
  EXPECT_EQ(site.told.statuses[1], 200);
}

TEST(Serve, WhatAPodMayHaveSeenIsNotSentAgain) {
  Site site(2);
  site.client.whole = "pay";
  site.asks("POST /x", "Content-Length: 3\r\n");
  EXPECT_TRUE(site.asked(0).heard().ends_with("\r\n\r\npay"));
  site.asked(0).hang_up();
  site.turn();
  ASSERT_TRUE(site.over);
  EXPECT_EQ(site.client.status, 502);
  EXPECT_EQ(site.told.attempts, 1);
}

TEST(Serve, AWholeBodyIsSentAgain) {
  Site site(2);
  site.client.whole = "put";
  site.asks("PUT /x", "Content-Length: 3\r\n");
  site.asked(0).hang_up();
  site.turn();
  ASSERT_FALSE(site.over);
  EXPECT_TRUE(site.asked(1).heard().ends_with("\r\n\r\nput"));
  site.asked(1).says(kHello);
  site.turn();
  EXPECT_EQ(site.client.status, 200);
}

// Larger than what is kept: it cannot be replayed once a piece of it was taken.
TEST(Serve, ABodyThatStreamsIsSentOnce) {
  Site site(2);
  site.settings.body_limit = 0;
  site.asks("PUT /x", "Content-Length: 1000000\r\n");
  site.client.request.add("some");
  site.turn();
  EXPECT_TRUE(site.asked(0).heard().ends_with("\r\n\r\nsome"));
  site.asked(0).hang_up();
  site.turn();
  ASSERT_TRUE(site.over);
  EXPECT_EQ(site.client.status, 502);
  EXPECT_EQ(site.told.attempts, 1);
  EXPECT_TRUE(site.ex->close_after);
}

// The exchange keeps what it began with, whatever is published meanwhile.
TEST(Serve, APublicationChangesNothingForWhatRuns) {
  Site site(1);
  site.asks();
  const auto pod = site.asked(0).endpoint;
  Publication next;
  next.snapshot = bare_snapshot();
  next.clusters.push_back({0, nullptr, nullptr});
  site.worker.apply(next);
  EXPECT_EQ(site.worker.cluster(0), nullptr);
  EXPECT_EQ(site.ex->route, &site.table->route);
  site.asked(0).says(kHello);
  site.turn();
  ASSERT_TRUE(site.over);
  EXPECT_EQ(site.client.status, 200);
  EXPECT_TRUE(pod->retired);
  EXPECT_EQ(site.worker.pool.size(), 0U) << "its connection is not kept";
}

// It waits for a connection to the last pod, and that goes: it is answered as who comes then is.
void loses_its_pod(bool exact, const std::string& retry_after) {
  model::Options options;
  options.upstream_max_connections = 1;
  options.exact = exact;
  Site site(1, options);
  PooledConnection* const used = site.worker.pool.take(*site.pods.begin()->second.endpoint, {}, false);
  ASSERT_NE(used, nullptr);
  const Lease held(static_cast<H1Client&>(*used));
  site.asks("POST /x");
  ASSERT_FALSE(site.over);
  Publication next;
  next.snapshot = bare_snapshot(options);
  auto nobody = std::make_shared<model::Cluster>();
  nobody->name = "default/svc:80";
  next.clusters.push_back({0, nobody, nullptr});
  site.worker.apply(next);
  site.turn();
  ASSERT_TRUE(site.over);
  EXPECT_EQ(site.client.status, 503);
  EXPECT_EQ(site.client.field("Retry-After: "), retry_after);
  EXPECT_EQ(site.told.attempts, 0);
}

TEST(Serve, WhoLosesTheLastPodMayAskAgainSoon) {
  loses_its_pod(false, "1");
}

TEST(Serve, WhoLosesTheLastPodIsToldAsMuchAsByNginx) {
  loses_its_pod(true, "");
}

TEST(Serve, AHeadThatWasRefusedIsAnsweredAndRecorded) {
  Site site(1);
  site.memory = site.worker.borrow_memory();
  site.memory->request.clear();
  site.ex = std::make_unique<Exchange>(site.worker, site.client, site.peer, *site.memory);
  const auto run = [](Site& s) -> net::Task<void> {
    net::Task<void> refusing =
        refuse(*s.ex, Error{Fault::too_large, Whose::downstream, Retry::no, 431, "the head is too large"});
    co_await refusing;
    s.over = true;
  };
  net::spawn(run(site));
  site.turn();
  ASSERT_TRUE(site.over);
  EXPECT_EQ(site.client.status, 431);
  EXPECT_TRUE(site.ex->close_after);
  EXPECT_EQ(site.told.status, 431);
  EXPECT_EQ(site.stats.malformed_requests.get(), 1U);
}

// An Ingress that limits its clients.
std::shared_ptr<const Plan> limited(Site& site, const model::ClientLimits& limits) {
  site.settings.client_limits = limits;
  auto plan = plan_of_route({site.settings, false});
  site.table->route.plan = plan.get();
  return plan;
}
const model::ClientLimits kLimits{.ns = "default", .ingress = "app", .exempt = {}};

// What one request after the other is answered, where a pod answers those that reach it.
std::vector<int> answers(Site& site, int count, const std::string& fields = "") {
  std::vector<int> out;
  for (int i = 0; i < count; ++i) {
    site.client.status = 0;
    site.over = false;
    site.asks("GET /x", fields);
    if (!site.over) {
      site.asked(0).heard();
      site.asked(0).says(kHello);
      site.turn();
    }
    out.push_back(site.client.status);
    site.end();
  }
  return out;
}

TEST(Serve, AClientIsChargedForWhatItAsks) {
  Site site(1);
  auto limits = kLimits;
  limits.rps = 1;
  limits.burst_multiplier = 2;
  const auto plan = limited(site, limits);
  EXPECT_EQ(answers(site, 5), (std::vector<int>{200, 200, 200, 503, 503}));
  EXPECT_EQ(site.stats.limited_rate.get(), 2U);
  EXPECT_EQ(site.told.reason, "the client asks more often than limit-rps");
  EXPECT_FALSE(site.told.ours) << "the operator was told of the first one a moment ago";
  site.pass(999ms);
  EXPECT_EQ(answers(site, 1), std::vector<int>{503});
  site.pass(1ms);
  EXPECT_EQ(answers(site, 2), (std::vector<int>{200, 503}));
  EXPECT_TRUE(site.told.ours);
}

// Of two rates the one that refuses charges neither, and the other one is asked first.
TEST(Serve, OfTwoRatesNoneIsChargedForWhatOneRefuses) {
  Site site(1);
  auto limits = kLimits;
  limits.rps = 5;
  limits.rpm = 2;
  limits.burst_multiplier = 1;
  auto plan = limited(site, limits);
  EXPECT_EQ(answers(site, 5), (std::vector<int>{200, 200, 200, 503, 503}));
  EXPECT_EQ(site.told.reason, "the client asks more often than limit-rpm");
  limits.rpm = 0;
  plan = limited(site, limits);  // the numbers change, what was counted stays
  EXPECT_EQ(answers(site, 5), (std::vector<int>{200, 200, 200, 503, 503}));
}

TEST(Serve, ThoseWhoAreExemptAreNotCounted) {
  Site site(1);
  auto limits = kLimits;
  limits.rps = 1;
  limits.burst_multiplier = 1;
  model::Cidr everybody;
  everybody.bytes[10] = everybody.bytes[11] = 0xff;
  everybody.bits = 96;
  limits.exempt.push_back(everybody);
  const auto plan = limited(site, limits);
  site.peer.bytes[10] = site.peer.bytes[11] = 0xff;
  EXPECT_EQ(answers(site, 4), (std::vector<int>{200, 200, 200, 200}));
}

// An Exchange beside that of the site.
struct Beside {
  explicit Beside(Site& site, const std::string& line = "GET /y") : client(site.worker) {
    head = line + " HTTP/1.1\r\nHost: a.example\r\n\r\n";
    memory.request.clear();
    EXPECT_TRUE(net::h1::parse_request(head, {}, memory.request));
    client.request.end();
    ex = std::make_unique<Exchange>(site.worker, client, site.peer, memory);
    const auto run = [](Beside& self) -> net::Task<void> {
      net::Task<void> serving = serve(*self.ex);
      co_await serving;
      self.over = true;
    };
    net::spawn(run(*this));
    site.turn();
  }
  std::string head;
  FakeClient client;
  ExchangeMemory memory;
  std::unique_ptr<Exchange> ex;
  bool over = false;
};

// However it ends: answered, given up by its client, failed.
TEST(Serve, ARequestCountsUntilItIsOver) {
  auto limits = kLimits;
  limits.connections = 1;
  for (int way = 0; way < 3; ++way) {
    Site site(1);
    const auto plan = limited(site, limits);
    site.asks();
    ASSERT_FALSE(site.over);
    {
      const Beside other(site);
      EXPECT_TRUE(other.over);
      EXPECT_EQ(other.client.status, 503);
      EXPECT_EQ(site.stats.limited_connections.get(), 1U);
    }
    if (way == 0) site.asked(0).says(kHello);
    if (way == 1) FakeClient::leave(*site.ex);
    if (way == 2) site.asked(0).says("nonsense\r\n\r\n");
    site.turn();
    ASSERT_TRUE(site.over) << way;
    EXPECT_EQ(site.ex->counted.front(), nullptr);
    const Beside other(site, "GET /nowhere");
    EXPECT_EQ(other.client.status, 404) << "no limit of a route";
    Beside next(site);
    EXPECT_NE(next.client.status, 503) << "the place is free again, after way " << way;
    if (!next.over) FakeClient::leave(*next.ex), site.turn();
    EXPECT_TRUE(next.over);
  }
}

TEST(Serve, LimitsOfOtherIngressesAreCountedApart) {
  Site site(1);
  auto limits = kLimits;
  limits.rps = 1;
  limits.burst_multiplier = 1;
  auto plan = limited(site, limits);
  EXPECT_EQ(answers(site, 3), (std::vector<int>{200, 200, 503}));
  limits.ns = "other";
  plan = limited(site, limits);
  EXPECT_EQ(answers(site, 3), (std::vector<int>{200, 200, 503}));
}

TEST(Serve, LimitsAllocateNothingForARequestThatGoesOn) {
  Site site(1);
  auto limits = kLimits;
  limits.rps = limits.rpm = 1'000'000;
  limits.connections = 1;
  limits.exempt.resize(1);
  limits.exempt[0].bytes[0] = 1;
  limits.exempt[0].bits = 128;
  const auto plan = limited(site, limits);
  site.asks();
  ASSERT_FALSE(site.over);
  LimitTable::leave(std::exchange(site.ex->counted.front(), nullptr));
  const auto& step = *(*plan)[Phase::guard].front().step;
  ASSERT_TRUE(step.charges());
  const auto before = test::allocations();
  const bool waits = step.waits(*site.ex);
  const auto reply = step.charge(*site.ex);
  EXPECT_EQ(test::allocations(), before);
  EXPECT_TRUE(waits && !reply);
  site.asked(0).says(kHello);
  site.turn();
}

}  // namespace
}  // namespace sluice::data
