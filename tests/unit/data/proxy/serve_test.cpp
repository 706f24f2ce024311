// A request from its head to its record.
#include "data/proxy/serve.h"

#include <gtest/gtest.h>

#include <map>

#include "../allocations.h"
#include "../bare_context.h"
#include "../fakes.h"
#include "../pooled_pod.h"
#include "data/filter/order.h"
#include "data/plan/plan.h"
#include "net/h1/parser.h"

namespace sluice::data {
namespace {

using namespace std::chrono_literals;

// What was told of the exchange, as its views do not outlive that.
struct Told final : Recorder {
  void finished(const ExchangeRecord& r) noexcept override {
    ++count;
    status = r.status;
    attempts = r.attempts;
    ours = r.ours;
    reason = r.reason;
    path = r.path;
    for (int i = 0; i < r.attempts; ++i) {
      addresses[i] = r.attempt[i].address;
      statuses[i] = r.attempt[i].status;
    }
  }
  int count = 0, status = 0, attempts = 0;
  bool ours = false;
  std::string reason, path, addresses[kMaxAttempts];
  int statuses[kMaxAttempts]{};
};

// One route takes all below /, and nothing else is there.
class OneRoute final : public RouteTable {
 public:
  Route route;
  const Route* match(std::string_view, std::string_view path, bool* = nullptr) const noexcept override {
    return path.starts_with("/nowhere") ? nullptr : &route;
  }
  const Route* root(std::string_view) const noexcept override { return nullptr; }
  const HostRoutes* host(std::string_view) const noexcept override { return nullptr; }
  const Route* explain(std::string_view, std::string_view,
                       const std::function<void(std::string_view)>&) const override {
    return nullptr;
  }
  std::size_t hosts() const noexcept override { return 1; }
  std::size_t routes() const noexcept override { return 1; }
  void for_each(const std::function<void(const Route&)>&) const override {}
};

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

struct Site {
  FakeClock clock;
  MemoryFigures figures;
  Overload overload{clock, [this] { return figures; }, 1};
  Shared shared{overload};
  WorkerStats stats;
  Told told;
  model::Route spec;
  model::RouteSettings settings;
  model::Options options;
  std::shared_ptr<OneRoute> table = std::make_shared<OneRoute>();
  WorkerContext worker{0, clock, shared, stats, told, bare_snapshot()};
  std::map<std::string, PooledPod> pods;  // by address
  FakeClient client{worker};
  Peer peer;
  std::unique_ptr<ExchangeMemory> memory;
  std::unique_ptr<Exchange> ex;
  bool over = false;
  std::string head;  // what the exchange has views of

  // A Service with as many pods.
  explicit Site(std::size_t count) {
    settings.access_log = true;
    spec.path = spec.location = "/";
    table->route.spec = &spec;
    table->route.settings = &settings;
    table->route.cluster = 0;
    table->route.forwards = true;
    table->route.host = "a.example";
    auto cluster = std::make_shared<model::Cluster>();
    cluster->name = "default/svc:80";
    for (std::size_t i = 0; i < count; ++i)
      cluster->endpoints.push_back({"192.0.2." + std::to_string(i + 1), 8080, true, false, false, ""});
    auto snapshot = bare_snapshot(options);
    snapshot->routes = table;
    Publication publication;
    publication.snapshot = snapshot;
    publication.clusters.push_back({0, cluster, nullptr});
    worker.apply(publication);
    std::vector<std::uint32_t> tried;
    while (pods.size() < count) {
      auto endpoint = worker.cluster(0)->pick(tried);
      pods.emplace(endpoint->text, PooledPod(worker, endpoint));
    }
  }
  ~Site() {
    if (ex) end();
    worker.pool.close_everything();
  }
  void end() {
    EXPECT_TRUE(over);
    ex.reset();
    worker.return_memory(std::move(memory));
  }
  // A request, up to where somebody has to say something.
  void asks(const std::string& line = "GET /x", const std::string& fields = "") {
    head = line + " HTTP/1.1\r\nHost: a.example\r\n" + fields + "\r\n";
    memory = worker.borrow_memory();
    memory->request.clear();
    ASSERT_TRUE(net::h1::parse_request(head, {}, memory->request));
    if (memory->request.framing == net::http::Framing::none) client.request.end();
    ex = std::make_unique<Exchange>(worker, client, peer, *memory);
    const auto run = [](Site& site) -> net::Task<void> {
      net::Task<void> serving = serve(*site.ex);
      co_await serving;
      site.over = true;
    };
    net::spawn(run(*this));
    turn();
  }
  void turn() {
    for (int i = 0; i < 4; ++i) worker.loop.turn(0ms);
  }
  void pass(Duration time) {
    clock.advance(time);
    turn();
  }
  // The pod that has got the request, which it is told of in the order in which pods were asked.
  PooledPod& asked(int attempt) { return pods.at(ex->record.attempt[attempt].address); }
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

constexpr std::string_view kHello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

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
