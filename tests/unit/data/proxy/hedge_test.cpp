// A second pod beside one that does not answer.
#include "data/proxy/hedge.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>

#include "../site.h"
#include "data/balance/draw.h"

namespace sluice::data {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kBusy = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy";
constexpr std::string_view kOther = "HTTP/1.1 200 OK\r\nX-Pod: other\r\nContent-Length: 5\r\n\r\nother";

constexpr auto kDelay = 50ms;

struct Hedged : Site {
  explicit Hedged(std::size_t count, model::Options of = {}, const model::Shared<model::Balancing>& balancing = {})
      : Site(count, std::move(of), balancing) {
    settings.hedge_delay = kDelay;
  }
  // The pods of the first and of the second try, by the places that they had in the record when they began.
  PooledPod* first = nullptr;
  PooledPod* second = nullptr;
  // A request whose first pod has got it.
  void begins(const std::string& line = "GET /x", const std::string& fields = "") {
    asks(line, fields);
    ASSERT_EQ(ex->record.attempts, 1);
    first = &asked(0);
    EXPECT_FALSE(first->heard().empty());
  }
  // And of which a second one has got it, too.
  void is_hedged(const std::string& line = "GET /x", const std::string& fields = "") {
    begins(line, fields);
    pass(kDelay);
    ASSERT_FALSE(over);
    ASSERT_EQ(ex->record.attempts, 2);
    second = &asked(1);
    ASSERT_NE(first, second);
  }
  void says(PooledPod& pod, std::string_view text) {
    pod.says(text);
    turn();
  }
  std::uint32_t in_flight() {
    std::uint32_t sum = 0;
    for (auto& [text, pod] : pods) sum += pod.endpoint->load.in_flight;
    return sum;
  }
  // Of the two attempts, in the order of the record.
  void told_of(PooledPod& loser, int loser_status, PooledPod& winner, int winner_status) {
    ASSERT_EQ(told.attempts, 2);
    EXPECT_EQ(told.addresses[0], loser.endpoint->text);
    EXPECT_EQ(told.statuses[0], loser_status);
    EXPECT_EQ(told.addresses[1], winner.endpoint->text);
    EXPECT_EQ(told.statuses[1], winner_status);
  }
};

TEST(Hedge, TheSecondPodAnswersAndTheFirstIsLeftAlone) {
  Hedged site(2);
  site.is_hedged("GET /x?y=z", "X-Own: field\r\nAccept: text/plain\r\n");
  const auto heard = site.second->heard();
  EXPECT_TRUE(heard.starts_with("GET /x?y=z HTTP/1.1\r\nHost: a.example\r\n")) << heard;
  EXPECT_NE(heard.find("\r\nX-Own: field\r\n"), std::string::npos) << heard;
  EXPECT_EQ(site.in_flight(), 2U);
  site.clock.advance(10ms);
  site.says(*site.second, kOther);
  ASSERT_TRUE(site.over);
  EXPECT_EQ(site.client.status, 200);
  EXPECT_EQ(site.client.text, "other");
  EXPECT_TRUE(std::ranges::find(site.client.fields, "X-Pod: other") != site.client.fields.end());
  EXPECT_FALSE(site.ex->close_after);
  EXPECT_TRUE(site.first->left_alone()) << "its connection cannot be used again";
  EXPECT_FALSE(site.second->left_alone());
  EXPECT_EQ(site.worker.pool.size(), 1U) << "that of the second one is";
  EXPECT_EQ(site.in_flight(), 0U);
  site.told_of(*site.first, 0, *site.second, 200);
  EXPECT_TRUE(site.told.blameless[0]);
  EXPECT_FALSE(site.told.blameless[1]);
  EXPECT_NEAR(site.told.header_seconds[1], 0.01F, 0.001F) << "of the second one alone";
  EXPECT_EQ(site.told.status, 200);
  EXPECT_TRUE(site.told.reason.empty()) << site.told.reason;
  EXPECT_EQ(site.stats.hedges_won.get(), 1U);
  EXPECT_EQ(site.stats.hedges_lost.get() + site.stats.hedges_failed.get(), 0U);
  EXPECT_EQ(site.stats.retries.get(), 0U);
}

TEST(Hedge, BothPodsGetTheSameBytes) {
  Hedged site(2);
  site.settings.retry_on.add(model::RetryOn::non_idempotent);
  site.client.whole = "the body";
  site.asks("POST /x?y=z", "Content-Length: 8\r\nX-Own: field\r\nCookie: a=b\r\nX-Forwarded-For: 192.0.2.9\r\n");
  auto& first = site.asked(0);
  site.pass(kDelay);
  ASSERT_EQ(site.ex->record.attempts, 2);
  const auto one = first.heard(), other = site.asked(1).heard();
  EXPECT_NE(one.find("\r\n\r\nthe body"), std::string::npos) << one;
  EXPECT_EQ(one, other);
  site.says(first, kHello);
  EXPECT_TRUE(site.over);
}

TEST(Hedge, NobodyElseIsAskedBeforeTheDelayIsOver) {
  Hedged site(2);
  site.begins();
  site.pass(kDelay - 1ms);
  EXPECT_EQ(site.ex->record.attempts, 1);
  site.says(*site.first, kHello);
  ASSERT_TRUE(site.over);
  EXPECT_EQ(site.client.text, "hello");
  EXPECT_EQ(site.told.attempts, 1);
  EXPECT_EQ(site.worker.pool.size(), 2U);
  site.pass(1s);
  EXPECT_EQ(site.stats.hedges_won.get() + site.stats.hedges_lost.get() + site.stats.hedges_failed.get(), 0U);
}

TEST(Hedge, TheFirstPodMayStillAnswerSooner) {
  Hedged site(2);
  site.is_hedged();
  site.clock.advance(10ms);
  site.says(*site.first, kHello);
  ASSERT_TRUE(site.over);
  EXPECT_EQ(site.client.text, "hello");
  site.second->heard();
  EXPECT_TRUE(site.second->left_alone());
  EXPECT_FALSE(site.first->left_alone());
  EXPECT_EQ(site.in_flight(), 0U);
  EXPECT_EQ(site.worker.pool.size(), 1U);
  site.told_of(*site.second, 0, *site.first, 200);
  EXPECT_TRUE(site.told.blameless[0]);
  EXPECT_NEAR(site.told.header_seconds[1], 0.06F, 0.001F);
  EXPECT_EQ(site.stats.hedges_lost.get(), 1U);
  EXPECT_EQ(site.stats.hedges_won.get(), 0U);
}

// A body behind the head comes from whoever won, however it comes.
TEST(Hedge, TheAnswerMayComeInPieces) {
  for (const bool second_wins : {false, true}) {
    Hedged site(2);
    site.is_hedged();
    PooledPod& winner = second_wins ? *site.second : *site.first;
    site.says(winner, "HTTP/1.1 200 OK\r\nX-Fi");
    ASSERT_FALSE(site.over);
    EXPECT_EQ(site.client.status, 0);
    site.says(winner, "eld: value\r\nContent-Length: 10\r\n\r\nhel");
    EXPECT_EQ(site.client.status, 200) << second_wins;
    EXPECT_EQ(site.client.text, "hel");
    EXPECT_EQ(site.client.fields.front(), "X-Field: value");
    ASSERT_FALSE(site.over);
    EXPECT_EQ(site.in_flight(), 1U) << "the other one is over";
    site.says(winner, "lo hell");
    ASSERT_TRUE(site.over);
    EXPECT_EQ(site.client.text, "hello hell");
    EXPECT_EQ(site.worker.pool.size(), 1U);
    EXPECT_EQ(site.in_flight(), 0U);
  }
}

TEST(Hedge, WhoBreaksOffAfterItsHeadIsNotReplaced) {
  Hedged site(2);
  site.is_hedged();
  site.says(*site.second, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhel");
  site.second->hang_up();
  site.turn();
  ASSERT_TRUE(site.over);
  EXPECT_TRUE(site.client.aborted);
  EXPECT_TRUE(site.first->left_alone());
  EXPECT_EQ(site.in_flight(), 0U);
}

TEST(Hedge, WhatMayNotBeSentTwiceIsNot) {
  Hedged site(2);
  site.client.whole = "hello";
  site.begins("POST /x", "Content-Length: 5\r\n");
  site.pass(kDelay * 10);
  EXPECT_EQ(site.ex->record.attempts, 1);
  site.says(*site.first, kHello);
  EXPECT_TRUE(site.over);
}

TEST(Hedge, ABodyThatIsOnItsWayIsWaitedForByNobody) {
  Hedged site(2);
  site.asks("PUT /x", "Content-Length: 10\r\n");
  site.client.request.add("hello");
  site.turn();
  auto& first = site.asked(0);
  site.pass(kDelay * 2);
  EXPECT_EQ(site.ex->record.attempts, 1) << "it is not here as a whole";
  site.client.request.add("hello", true);
  site.turn();
  EXPECT_TRUE(first.heard().ends_with("hellohello"));
  site.pass(kDelay * 2);
  EXPECT_EQ(site.ex->record.attempts, 1) << "it was asked once, when the delay was over";
  site.says(first, kHello);
  EXPECT_TRUE(site.over);
}

TEST(Hedge, ABodyThatHasComeMeanwhileIsSentAgain) {
  Hedged site(2);
  site.asks("PUT /x", "Content-Length: 10\r\n");
  site.client.request.add("hello");
  site.turn();
  site.client.request.add("HELLO", true);
  site.turn();
  auto& first = site.asked(0);
  EXPECT_TRUE(first.heard().ends_with("helloHELLO"));
  site.pass(kDelay);
  ASSERT_EQ(site.ex->record.attempts, 2);
  auto& second = site.asked(1);
  EXPECT_TRUE(second.heard().ends_with("\r\n\r\nhelloHELLO"));
  site.says(second, kOther);
  ASSERT_TRUE(site.over);
  EXPECT_EQ(site.client.text, "other");
  EXPECT_FALSE(site.ex->close_after);
  EXPECT_EQ(site.worker.pool.size(), 1U);
}

TEST(Hedge, ThereHasToBeAnotherPod) {
  Hedged site(1);
  site.begins();
  site.pass(kDelay * 10);
  EXPECT_EQ(site.ex->record.attempts, 1);
  site.says(*site.first, kHello);
  EXPECT_TRUE(site.over);
}

TEST(Hedge, ThereIsOneOfARequest) {
  Hedged site(3);
  site.is_hedged();
  site.pass(kDelay * 10);
  EXPECT_EQ(site.ex->record.attempts, 2);
  site.says(*site.first, kHello);
  EXPECT_TRUE(site.over);
}

TEST(Hedge, TheRouteHasToAllowFurtherTriesAfterATimeout) {
  for (int i = 0; i < 3; ++i) {
    Hedged site(2);
    if (i == 0) site.settings.tries = 1;
    if (i == 1) site.settings.retry_on.bits = 0;
    if (i == 2) site.settings.tries_timeout = kDelay;
    site.begins();
    site.pass(kDelay * 2);
    EXPECT_EQ(site.ex->record.attempts, 1) << i;
    site.says(*site.first, kHello);
    EXPECT_TRUE(site.over);
  }
}

TEST(Hedge, AFirstPodThatFailsLeavesItToTheSecond) {
  Hedged site(2);
  site.is_hedged();
  site.first->hang_up();
  site.turn();
  ASSERT_FALSE(site.over);
  EXPECT_EQ(site.in_flight(), 1U);
  EXPECT_EQ(site.first->endpoint->load.in_flight, 0U);
  site.says(*site.second, kOther);
  ASSERT_TRUE(site.over);
  EXPECT_EQ(site.client.text, "other");
  site.told_of(*site.first, 0, *site.second, 200);
  EXPECT_FALSE(site.told.blameless[0]);
  EXPECT_EQ(site.stats.hedges_won.get(), 1U);
  EXPECT_EQ(site.stats.retries.get(), 0U) << "the other try was there already";
  EXPECT_EQ(site.worker.pool.size(), 1U);
}

TEST(Hedge, ASecondPodThatFailsChangesNothing) {
  Hedged site(2);
  site.is_hedged();
  site.says(*site.second, "HTTP/1.1 banana\r\n\r\n");
  ASSERT_FALSE(site.over);
  EXPECT_EQ(site.second->endpoint->load.in_flight, 0U);
  EXPECT_EQ(site.stats.hedges_failed.get(), 1U);
  site.pass(1s);
  site.says(*site.first, kHello);
  ASSERT_TRUE(site.over);
  EXPECT_EQ(site.client.text, "hello");
  site.told_of(*site.second, 0, *site.first, 200);
  EXPECT_FALSE(site.told.blameless[0]);
  EXPECT_EQ(site.worker.pool.size(), 1U);
}

TEST(Hedge, WhenBothFailAThirdPodIsAskedAsAfterAnyFailure) {
  for (const bool first_fails_first : {true, false}) {
    Hedged site(3);
    site.is_hedged();
    PooledPod& one = first_fails_first ? *site.first : *site.second;
    PooledPod& other = first_fails_first ? *site.second : *site.first;
    site.says(one, "HTTP/1.1 200 OK\r\nX");  // else a kept connection may have been stale
    one.hang_up();
    site.turn();
    ASSERT_FALSE(site.over);
    site.says(other, "HTTP/1.1 200 OK\r\nX");
    other.hang_up();
    site.turn();
    ASSERT_FALSE(site.over) << first_fails_first;
    ASSERT_EQ(site.ex->record.attempts, 3);
    EXPECT_EQ(site.stats.retries.get(), 1U);
    EXPECT_EQ(site.stats.hedges_failed.get(), 1U);
    PooledPod& third = site.asked(2);
    EXPECT_NE(&third, site.first);
    EXPECT_NE(&third, site.second);
    site.pass(1s);
    EXPECT_EQ(site.ex->record.attempts, 3) << "one hedge is all that a request gets";
    site.says(third, kHello);
    ASSERT_TRUE(site.over);
    EXPECT_EQ(site.client.text, "hello");
    EXPECT_EQ(site.told.attempts, 3);
    EXPECT_EQ(site.told.addresses[0], one.endpoint->text);
    EXPECT_EQ(site.told.addresses[1], other.endpoint->text);
    EXPECT_EQ(site.in_flight(), 0U);
  }
}

TEST(Hedge, ItCountsAsATry) {
  Hedged site(3);
  site.settings.tries = 2;
  site.is_hedged();
  for (PooledPod* pod : {site.first, site.second}) {
    site.says(*pod, "HTTP/1.1 200 OK\r\nX");
    pod->hang_up();
    site.turn();
  }
  ASSERT_TRUE(site.over);
  EXPECT_EQ(site.client.status, 502);
  EXPECT_EQ(site.told.attempts, 2);
}

// A status that another pod is asked after wins over nobody who is still at it.
TEST(Hedge, AnUnwantedAnswerWinsOnlyWhereItIsTheLast) {
  for (const bool first_is_busy : {true, false}) {
    Hedged site(2);
    site.settings.retry_on.add(model::RetryOn::http_503);
    site.settings.tries = 2;
    site.is_hedged();
    PooledPod& busy = first_is_busy ? *site.first : *site.second;
    PooledPod& other = first_is_busy ? *site.second : *site.first;
    site.says(busy, kBusy);
    ASSERT_FALSE(site.over);
    EXPECT_EQ(site.client.status, 0);
    EXPECT_EQ(busy.endpoint->load.in_flight, 0U);
    site.pass(1s);
    site.says(other, kOther);
    ASSERT_TRUE(site.over);
    EXPECT_EQ(site.client.status, 200);
    site.told_of(busy, 503, other, 200);
  }
}

TEST(Hedge, OfTwoUnwantedAnswersTheClientGetsTheSecond) {
  for (const bool first_is_last : {true, false}) {
    Hedged site(2);
    site.settings.retry_on.add(model::RetryOn::http_503);
    site.settings.tries = 2;
    site.is_hedged();
    PooledPod& one = first_is_last ? *site.second : *site.first;
    PooledPod& last = first_is_last ? *site.first : *site.second;
    site.says(one, kBusy);
    site.says(last, kBusy);
    ASSERT_TRUE(site.over);
    EXPECT_EQ(site.client.status, 503);
    EXPECT_EQ(site.client.text, "busy");
    site.told_of(one, 503, last, 503);
    EXPECT_EQ(site.stats.hedges_won.get(), 0U);
    EXPECT_EQ(site.stats.hedges_failed.get(), 1U);
  }
}

// The second try was the last one: nobody else may be asked when the first one's time is over.
TEST(Hedge, AFirstPodHasTheUsualTimeOnceNoTryIsLeft) {
  Hedged site(3);
  site.settings.tries = 2;
  site.settings.try_timeout = 200ms;
  site.settings.retry_on.add(model::RetryOn::http_503);
  site.is_hedged();
  site.says(*site.second, kBusy);
  ASSERT_FALSE(site.over);
  site.pass(200ms);
  site.pass(200ms);
  ASSERT_FALSE(site.over);
  site.says(*site.first, kHello);
  ASSERT_TRUE(site.over);
  EXPECT_EQ(site.client.text, "hello");
  EXPECT_EQ(site.told.attempts, 2);
}

TEST(Hedge, AClientThatLeavesEndsBoth) {
  Hedged site(2);
  site.is_hedged();
  FakeClient::leave(*site.ex);
  site.turn();
  ASSERT_TRUE(site.over);
  EXPECT_EQ(site.told.status, 499);
  EXPECT_FALSE(site.told.ours);
  EXPECT_EQ(site.client.status, 0);
  for (PooledPod* pod : {site.first, site.second}) {
    pod->heard();
    EXPECT_TRUE(pod->left_alone());
  }
  EXPECT_EQ(site.in_flight(), 0U);
  EXPECT_EQ(site.worker.pool.size(), 0U);
  EXPECT_EQ(site.stats.hedges_lost.get(), 1U);
}

TEST(Hedge, AProcessThatEndsGivesBothUp) {
  Hedged site(2);
  site.is_hedged();
  const Error why{Fault::cancelled, Whose::internal, Retry::no, 0, "the time to drain is over"};
  site.ex->given_up = why;
  site.ex->waiting_on->cancel(why);
  site.turn();
  ASSERT_TRUE(site.over);
  EXPECT_EQ(site.in_flight(), 0U);
  EXPECT_EQ(site.worker.pool.size(), 0U);
}

TEST(Hedge, AClientThatLeavesWhileItIsAnsweredEndsTheWinner) {
  Hedged site(2);
  site.is_hedged();
  site.says(*site.second, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhel");
  FakeClient::leave(*site.ex);
  site.turn();
  ASSERT_TRUE(site.over);
  site.second->heard();
  EXPECT_TRUE(site.second->left_alone());
  EXPECT_EQ(site.in_flight(), 0U);
}

// Of the requests to the Service port so many per cent; a fifth where further tries have no budget.
TEST(Hedge, EachTakesFromTheBudget) {
  for (const std::uint32_t percent : {0U, 50U}) {
    for (const bool is_used_up : {false, true}) {
      model::Options options;
      options.retry_budget_min_rate = 0;
      options.retry_budget_percent = percent;
      Hedged site(2, options);
      RetryBudget& budget = site.worker.cluster(0)->budget;
      const Instant now = site.worker.loop.now();
      for (int i = 0; i < 9; ++i) budget.asked(now);  // and the one that follows
      const std::uint32_t share = percent == 0 ? 20 : percent;
      for (std::uint32_t i = 0; i + 1 < share / 10; ++i) EXPECT_TRUE(budget.take(now, share + 10, 0));
      if (is_used_up) {
        EXPECT_TRUE(budget.take(now, share + 10, 0));
      }
      site.begins();
      site.pass(kDelay);
      EXPECT_EQ(site.ex->record.attempts, is_used_up ? 1 : 2) << percent;
      EXPECT_EQ(site.stats.hedges_over_budget.get(), is_used_up ? 1U : 0U) << percent;
      if (is_used_up) {
        std::vector<std::uint32_t> none;
        EXPECT_NE(site.worker.cluster(0)->pick(none), site.first->endpoint) << "nobody has missed a turn";
      }
      site.says(*site.first, kHello);
      EXPECT_TRUE(site.over);
    }
  }
}

TEST(Hedge, LimitsOfRequestsHoldForIt) {
  model::Options options;
  options.upstream_max_requests = 2;
  Hedged site(2, options);
  site.is_hedged();
  EXPECT_EQ(site.worker.cluster(0)->requests, 2U) << "it counts beside the first one";
  site.says(*site.first, kHello);
  ASSERT_TRUE(site.over);
  EXPECT_EQ(site.worker.cluster(0)->requests, 0U);

  options.upstream_max_requests = 1;
  Hedged full(2, options);
  full.begins();
  full.pass(kDelay);
  EXPECT_EQ(full.ex->record.attempts, 1);
  EXPECT_EQ(full.stats.hedges_limited.get(), 1U);
  EXPECT_EQ(full.stats.shed_requests.get(), 0U) << "nothing was refused";
  full.says(*full.first, kHello);
  EXPECT_TRUE(full.over);
}

// The loser was at least as slow as it was seen to be.
TEST(Hedge, PeakEwmaLearnsFromTheLoser) {
  model::Balancing balancing;
  balancing.load_balance = model::LoadBalance::ewma;
  Hedged site(2, {}, model::Shared<model::Balancing>(balancing));
  site.is_hedged();
  site.clock.advance(10ms);
  site.says(*site.second, kOther);
  ASSERT_TRUE(site.over);
  EXPECT_NEAR(site.first->endpoint->load.latency, 0.06F, 0.005F);
  EXPECT_NEAR(site.second->endpoint->load.latency, 0.01F, 0.005F);
}

TEST(Hedge, ALoserHasNotFailed) {
  model::Options options;
  options.outlier_consecutive_failures = 1;
  Hedged site(2, options);
  site.is_hedged();
  site.says(*site.second, kOther);
  ASSERT_TRUE(site.over);
  EXPECT_EQ(site.stats.endpoints_ejected.get(), 0U);
}

TEST(Hedge, SessionsStayAtTheirPod) {
  model::Balancing balancing;
  balancing.affinity = model::Affinity{};
  Hedged site(2, {}, model::Shared<model::Balancing>(balancing));
  site.begins();
  site.pass(kDelay * 2);
  EXPECT_EQ(site.ex->record.attempts, 1);
  site.says(*site.first, kHello);
  EXPECT_TRUE(site.over);
}

// The connect counts: here the first one waits for a place among the connections to its pod.
TEST(Hedge, AFirstPodThatTakesNoConnectionIsOvertaken) {
  model::Options options;
  options.upstream_max_connections = 1;
  Hedged site(2, options);
  std::vector<std::uint32_t> tried;
  const auto endpoint = site.worker.cluster(0)->pick(tried);
  // The other one is next; both turns later it is this one's again.
  const auto other = site.worker.cluster(0)->pick(tried);
  PooledConnection* const taken = site.worker.pool.take(*endpoint, {}, false);
  PooledConnection* const of_other = site.worker.pool.take(*other, {}, false);
  ASSERT_TRUE(taken != nullptr && of_other != nullptr);
  site.asks();
  ASSERT_EQ(site.asked(0).endpoint, endpoint) << "both are full: it waits where it is its turn";
  EXPECT_TRUE(site.asked(0).heard().empty());
  site.worker.pool.put(*of_other);
  site.pass(kDelay);
  ASSERT_EQ(site.ex->record.attempts, 2);
  ASSERT_EQ(site.asked(1).endpoint, other);
  site.clock.advance(10ms);
  site.says(site.asked(1), kOther);
  ASSERT_TRUE(site.over);
  EXPECT_EQ(site.client.text, "other");
  EXPECT_NEAR(site.told.header_seconds[1], 0.01F, 0.001F);
  EXPECT_TRUE(site.told.blameless[0]);
  EXPECT_TRUE(endpoint->waiting.empty());
  EXPECT_EQ(site.in_flight(), 0U);
  site.worker.pool.put(*taken);
}

TEST(Hedge, InterimHeadsAreOfAnswersThatNobodyRacesWith) {
  Hedged site(2);
  site.begins();
  site.says(*site.first, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
  EXPECT_EQ(site.client.interims, std::vector<int>{103});
  site.pass(kDelay);
  ASSERT_EQ(site.ex->record.attempts, 2) << "it is no answer yet";
  auto& second = site.asked(1);
  site.says(*site.first, "HTTP/1.1 103 Early Hints\r\n\r\n");
  site.says(second, "HTTP/1.1 103 Early Hints\r\n\r\n");
  site.says(second, std::string("HTTP/1.1 103 Early Hints\r\n\r\n").append(kOther));
  ASSERT_TRUE(site.over);
  EXPECT_EQ(site.client.interims, std::vector<int>{103});
  EXPECT_EQ(site.client.text, "other");
}

// Pods that say anything, in pieces, break off or keep silent, time that passes, a client that leaves: a request is
// over once, nobody is in flight behind it, and a client that got a head got it from one pod.
TEST(Hedge, WhateverHappensInWhateverOrder) {
  int won = 0, lost = 0, failed = 0;
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE(seed);
    Chance chance(seed);
    Hedged site(3);
    if (chance.below(2) == 0) site.settings.retry_on.add(model::RetryOn::http_503);
    site.asks();
    std::map<PooledPod*, std::size_t> said;  // of an answer, by pod
    for (int step = 0; step < 24 && !site.over; ++step) {
      const auto at = static_cast<int>(chance.below(static_cast<std::size_t>(site.ex->record.attempts)));
      PooledPod& pod = site.asked(at);
      const std::string answer =
          "HTTP/1.1 200 OK\r\nX-Pod: " + pod.endpoint->text + "\r\nContent-Length: 5\r\n\r\nhello";
      pod.heard();
      const auto what = chance.below(16);
      if (what < 6) {
        site.pass(std::chrono::milliseconds(chance.below(40)));
      } else if (what == 15) {
        FakeClient::leave(*site.ex);
      } else if (pod.left_alone()) {
        continue;
      } else if (what == 14) {
        pod.hang_up();
      } else if (what == 13 && said[&pod] == 0) {
        pod.says(chance.below(2) == 0 ? kBusy : "HTTP/1.1 banana\r\n\r\n");
        said[&pod] = answer.size();
      } else if (said[&pod] < answer.size()) {
        const auto size = std::min(1 + chance.below(answer.size()), answer.size() - said[&pod]);
        pod.says(std::string_view(answer).substr(said[&pod], size));
        said[&pod] += size;
      }
      if (chance.below(2) == 0) site.turn();  // else two things happen in one turn
    }
    site.turn();
    if (!site.over) FakeClient::leave(*site.ex);
    site.turn();
    ASSERT_TRUE(site.over);
    EXPECT_EQ(site.told.count, 1);
    EXPECT_EQ(site.in_flight(), 0U);
    EXPECT_EQ(site.worker.cluster(0)->requests, 0U);
    if (site.client.status == 200) {
      const std::string whose = site.told.addresses[site.told.attempts - 1];
      EXPECT_EQ(site.client.fields.front(), "X-Pod: " + whose) << "the last one in the record";
      if (site.client.ended) {
        EXPECT_EQ(site.client.text, "hello");
      }
    }
    won += static_cast<int>(site.stats.hedges_won.get());
    lost += static_cast<int>(site.stats.hedges_lost.get());
    failed += static_cast<int>(site.stats.hedges_failed.get());
  }
  EXPECT_GT(won, 20);
  EXPECT_GT(lost, 20);
  EXPECT_GT(failed, 5);
}

TEST(Hedge, ARouteWithoutItAsksOnePod) {
  Site site(2);
  site.asks();
  site.pass(10s);
  EXPECT_EQ(site.ex->record.attempts, 1);
  site.asked(0).says(kHello);
  site.turn();
  EXPECT_TRUE(site.over);
}

}  // namespace
}  // namespace sluice::data
