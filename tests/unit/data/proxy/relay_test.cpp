// One attempt: the request up and the response down, both at once.
#include "data/proxy/relay.h"

#include <gtest/gtest.h>

#include "../bare_context.h"
#include "../fakes.h"
#include "data/proxy/request_body.h"

namespace sluice::data {
namespace {

using namespace std::chrono_literals;
using net::http::Framing;
using net::http::Method;

constexpr Error kReset{Fault::reset, Whose::upstream, Retry::yes, 0, "the pod's connection broke"};

// A GET; begin() relays it.
struct Relayed : BareContext {
  model::RouteSettings settings;
  model::Options options;
  FakePod pod{worker};
  FakeClient client{worker};
  Peer peer;
  std::unique_ptr<ExchangeMemory> memory = worker.borrow_memory();
  Exchange ex{worker, client, peer, *memory};
  Attempt attempt;
  std::optional<Status> outcome;  // nothing: it is not over

  Relayed() {
    ex.settings = &settings;
    ex.options = &options;
    ex.body_whole = true;
    ex.tries = 1;
    ex.begun = worker.loop.now();
    ex.head().method = Method::get;
  }
  ~Relayed() { worker.return_memory(std::move(memory)); }
  // Its body comes while it is relayed.
  void streams(Method method, std::uint64_t length) {
    ex.head().method = method;
    ex.head().framing = Framing::length;
    ex.head().content_length = length;
    ex.body_whole = false;
  }
  void begin() {
    net::spawn(run());
    turn();
  }
  // Until nobody has anything to do that is not told to.
  void turn() {
    for (int i = 0; i < 4; ++i) worker.loop.turn(0ms);
  }
  bool ok() const { return outcome && *outcome; }
  Error error() const { return outcome && !*outcome ? outcome->error() : Error{}; }

 private:
  net::Task<void> run() {
    Lease lease(pod);
    ex.attempt = &attempt;
    net::Task<Status> relaying = relay(ex, std::move(lease));
    Status done = co_await relaying;
    outcome = done;
  }
};

TEST(Relay, AnswersPassAsTheyAre) {
  Relayed r;
  r.begin();
  EXPECT_TRUE(r.pod.sent);
  EXPECT_FALSE(r.outcome) << "nobody has answered";
  r.pod.says(404, {{"X-From", "pod"}});
  r.pod.answer.add("not here", true);
  r.turn();
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(r.client.status, 404);
  EXPECT_TRUE(r.client.from_pod);
  EXPECT_EQ(r.client.fields, std::vector<std::string>{"X-From: pod"});
  EXPECT_EQ(r.client.text, "not here");
  EXPECT_TRUE(r.client.complete());
  EXPECT_EQ(r.attempt.status, 404);
  EXPECT_EQ(r.ex.record.status, 404);
  EXPECT_EQ(r.pod.released, true);
  EXPECT_EQ(r.ex.waiting_on, nullptr);
  EXPECT_FALSE(r.ex.close_after);
}

TEST(Relay, InterimHeadsPassAndTheFinalOneIsAwaited) {
  Relayed r;
  r.begin();
  r.pod.says(100);  // which is ours to give
  r.pod.says(103, {{"Link", "</a.css>"}});
  r.turn();
  EXPECT_EQ(r.client.interims, std::vector<int>{103});
  EXPECT_EQ(r.client.interim_fields, std::vector<std::string>{"Link: </a.css>"});
  EXPECT_FALSE(r.client.started());
  EXPECT_FALSE(r.outcome);
  EXPECT_EQ(r.pod.holds, 1) << "what came behind the head is kept while the client takes it";
  r.pod.says(200);
  r.pod.answer.add("x", true);
  r.turn();
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(r.client.status, 200);
  EXPECT_EQ(r.client.interims.size(), 1U);
}

TEST(Relay, APodCannotKeepAClientBusyWithInterimHeads) {
  Relayed r;
  r.options.max_interim_responses = 2;
  r.begin();
  for (int i = 0; i < 3; ++i) r.pod.says(103);
  r.turn();
  ASSERT_TRUE(r.outcome);
  EXPECT_EQ(r.error().status, 502);
  EXPECT_EQ(r.error().fault, Fault::too_large);
  EXPECT_EQ(r.client.interims.size(), 2U);
  EXPECT_FALSE(r.client.started());
  EXPECT_EQ(r.pod.released, false);
}

TEST(Relay, TheNextPieceIsReadWhenTheLastOneWasTaken) {
  Relayed r;
  r.client.holds_back = true;
  r.begin();
  r.pod.says(200);
  r.pod.answer.add("one,");
  r.pod.answer.add("two,");
  r.pod.answer.add("three", true);
  r.turn();
  EXPECT_EQ(r.client.text, "one,") << "the first piece leaves with the head";
  EXPECT_EQ(r.pod.answer.reads, 0);
  EXPECT_FALSE(r.outcome);
  r.client.take_on();
  r.turn();
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(r.client.text, "one,two,three");
  EXPECT_TRUE(r.client.complete());
}

TEST(Relay, ABodyThatIsStillToComeIsWaitedFor) {
  Relayed r;
  r.begin();
  r.pod.says(200);
  r.turn();
  EXPECT_EQ(r.client.status, 200) << "the head does not wait for it";
  EXPECT_FALSE(r.client.complete());
  r.pod.answer.add("late");
  r.turn();
  EXPECT_EQ(r.client.text, "late");
  r.pod.answer.add({}, true, "X-Sum: 1\r\n");
  r.turn();
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(r.client.trailers, "X-Sum: 1\r\n");
}

TEST(Relay, ATruncatedAnswerDoesNotLookComplete) {
  Relayed r;
  r.begin();
  r.pod.says(200);
  r.pod.answer.add("half");
  r.turn();
  r.pod.answer.fail(kReset);
  r.turn();
  ASSERT_TRUE(r.outcome);
  EXPECT_EQ(r.error().fault, Fault::reset);
  EXPECT_TRUE(r.client.aborted);
  EXPECT_FALSE(r.client.complete());
  EXPECT_EQ(r.pod.released, false);
}

TEST(Relay, WithoutAHeadTheClientIsLeftUntouched) {
  for (const Fault fault : {Fault::closed, Fault::malformed, Fault::too_large}) {
    Relayed r;
    r.begin();
    r.pod.fails({fault, Whose::upstream, fault == Fault::closed ? Retry::yes : Retry::no, 0, ""});
    r.turn();
    ASSERT_TRUE(r.outcome);
    EXPECT_EQ(r.error().fault, fault);
    EXPECT_EQ(r.error().retry, Retry::yes) << "another pod may do better, where the route says so";
    EXPECT_FALSE(r.client.started());
    EXPECT_FALSE(r.client.aborted);
    EXPECT_TRUE(r.ex.pod_saw_it);
    EXPECT_EQ(r.attempt.status, 0);
    EXPECT_EQ(r.pod.released, false);
  }
}

TEST(Relay, ASwitchThatNobodyAskedForIsNone) {
  Relayed r;
  r.begin();
  r.pod.says(101, {{"Upgrade", "websocket"}});
  r.turn();
  ASSERT_TRUE(r.outcome);
  EXPECT_EQ(r.error().fault, Fault::malformed);
  EXPECT_FALSE(r.client.started());
}

TEST(Relay, ABodyGoesUpAsItComes) {
  Relayed r;
  r.streams(Method::post, 10);
  r.begin();
  r.client.request.add("hello");
  r.turn();
  EXPECT_EQ(r.pod.text, "hello");
  EXPECT_FALSE(r.pod.request_ended);
  r.client.request.add("world", true);
  r.turn();
  EXPECT_TRUE(r.pod.request_ended);
  EXPECT_EQ(r.ex.body_received, 10U);
  EXPECT_FALSE(r.outcome);
  r.pod.says(201);
  r.pod.answer.add({}, true);
  r.turn();
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(r.client.status, 201);
  EXPECT_FALSE(r.ex.close_after) << "both messages have ended";
  EXPECT_EQ(r.pod.released, true);
}

TEST(Relay, TheNextPieceGoesUpWhenTheLastOneWasTaken) {
  Relayed r;
  r.streams(Method::post, 10);
  r.pod.takes_bodies = false;
  r.client.request.add("hello");
  r.client.request.add("world", true);
  r.begin();
  EXPECT_EQ(r.pod.text, "hello");
  EXPECT_EQ(r.client.request.reads, 1);
  r.pod.take_on();
  r.turn();
  EXPECT_EQ(r.pod.text, "helloworld");
  r.pod.says(200);
  r.pod.answer.add({}, true);
  r.turn();
  EXPECT_TRUE(r.ok());
}

// A pod may refuse before it has all. What still runs of the request is given up, and has ended when the relay does.
TEST(Relay, AnEarlyAnswerEndsTheRequest) {
  Relayed r;
  r.streams(Method::post, 100);
  r.begin();
  r.client.request.add("some");
  r.turn();
  EXPECT_EQ(r.client.request.waiting, 1);
  r.pod.says(413);
  r.pod.answer.add("too much", true);
  r.turn();
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(r.client.status, 413);
  EXPECT_EQ(r.client.text, "too much");
  EXPECT_TRUE(r.client.request.stopped);
  EXPECT_EQ(r.client.request.waiting, 0) << "nobody reads any more";
  EXPECT_TRUE(r.ex.close_after) << "the rest of the body is not to be taken for a request";
  ASSERT_TRUE(r.pod.cancelled) << "nothing may go on writing there";
  EXPECT_EQ(r.pod.cancelled->fault, Fault::cancelled);
}

TEST(Relay, APodThatTakesNoMoreMayStillAnswer) {
  Relayed r;
  r.streams(Method::post, 100);
  r.pod.takes_bodies = false;
  r.client.request.add("some");
  r.begin();
  EXPECT_EQ(r.pod.text, "some");
  r.pod.says(403);
  r.pod.answer.add("no", true);
  r.turn();
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(r.client.status, 403);
  EXPECT_TRUE(r.client.complete());
}

TEST(Relay, TheClientsOwnFaultIsTheReason) {
  Relayed r;
  r.pod.dies_with = kReset;  // which it has caused
  r.streams(Method::post, 100);
  r.begin();
  r.client.request.add("some");
  r.turn();
  r.client.request.fail({Fault::timeout, Whose::downstream, Retry::no, 0, "the client sends no more"});
  r.turn();
  ASSERT_TRUE(r.outcome);
  EXPECT_EQ(r.error().whose, Whose::downstream);
  EXPECT_EQ(r.error().fault, Fault::timeout);
  EXPECT_TRUE(r.pod.cancelled);
  EXPECT_EQ(r.pod.released, false);
}

TEST(Relay, ABodyAboveTheLimitIsRefusedWhileItComes) {
  Relayed r;
  r.streams(Method::post, 100);
  r.settings.body_limit = 6;
  r.begin();
  r.client.request.add("hello");
  r.client.request.add("world");
  r.turn();
  ASSERT_TRUE(r.outcome);
  EXPECT_EQ(r.error().status, 413);
  EXPECT_EQ(r.pod.text, "hello");
  EXPECT_FALSE(r.client.started());
}

// So that another pod can have it.
TEST(Relay, WhatASmallBodyHasSentIsKept) {
  Relayed r;
  r.streams(Method::put, 8);
  r.begin();
  r.client.request.add("hello");
  r.client.request.add("you", true);
  r.turn();
  r.pod.fails(kReset);
  r.turn();
  ASSERT_TRUE(r.outcome);
  EXPECT_FALSE(*r.outcome);
  EXPECT_TRUE(r.ex.pod_saw_it);
  EXPECT_FALSE(r.ex.body_touched);
  EXPECT_TRUE(r.ex.body_whole);
  EXPECT_EQ(r.ex.body, "helloyou");
}

// The pod answers before it has all, and another one is asked over that: it gets what was sent, and the rest.
TEST(Relay, WhatComesBehindAnAnswerThatIsNotPassedOnIsKeptToo) {
  Relayed r;
  r.settings.retry_on.add(model::RetryOn::http_503);
  r.streams(Method::put, 8);
  r.begin();
  r.client.request.add("hello");
  r.turn();
  r.pod.says(503);
  r.turn();
  EXPECT_FALSE(r.client.request.stopped);
  r.client.request.add("you", true);
  r.turn();
  ASSERT_TRUE(r.outcome);
  EXPECT_EQ(r.error().retry, Retry::answered);
  EXPECT_FALSE(r.ex.body_touched);
  EXPECT_TRUE(r.ex.body_whole);
  EXPECT_EQ(r.ex.body, "helloyou");
  EXPECT_FALSE(r.ex.close_after);
}

TEST(Relay, WhatMayNotBeSentTwiceIsNotKept) {
  for (const std::uint64_t length : {std::uint64_t{10}, std::uint64_t{kKeptOfCall + 1}}) {
    Relayed r;
    r.streams(length == 10 ? Method::post : Method::put, length);
    r.begin();
    r.client.request.add("hello");
    r.turn();
    r.pod.fails(kReset);
    r.turn();
    ASSERT_TRUE(r.outcome);
    EXPECT_TRUE(r.ex.body_touched) << length;
    EXPECT_FALSE(r.ex.body_whole) << length;
  }
}

TEST(Relay, AnAnswerThatAnotherPodIsAskedOverIsNotPassedOn) {
  Relayed r;
  r.settings.retry_on.add(model::RetryOn::http_503);
  r.begin();
  r.pod.says(503);
  r.pod.answer.add("busy", true);
  r.turn();
  ASSERT_TRUE(r.outcome);
  EXPECT_EQ(r.error().retry, Retry::answered);
  EXPECT_FALSE(r.client.started());
  EXPECT_EQ(r.attempt.status, 503);
  EXPECT_EQ(r.pod.released, false) << "what is left of the answer is nobody's next one";
  Relayed last;
  last.settings.retry_on.add(model::RetryOn::http_503);
  last.ex.tries = last.settings.tries;
  last.begin();
  last.pod.says(503);
  last.pod.answer.add("busy", true);
  last.turn();
  ASSERT_TRUE(last.ok()) << "there is no further try: the client gets what there is";
  EXPECT_EQ(last.client.text, "busy");
}

TEST(Relay, AClientThatLeavesEndsTheAttempt) {
  Relayed r;
  r.begin();
  ASSERT_EQ(r.ex.waiting_on, &r.pod);
  FakeClient::leave(r.ex);
  r.turn();
  ASSERT_TRUE(r.outcome);
  EXPECT_EQ(r.error().fault, Fault::cancelled);
  EXPECT_EQ(r.pod.released, false);
  EXPECT_FALSE(r.client.started());
}

TEST(Relay, AClientThatBreaksWhileItIsAnsweredEndsTheAttempt) {
  Relayed r;
  r.client.breaks = Error{Fault::reset, Whose::downstream, Retry::no, 0, "the client's connection broke"};
  r.begin();
  r.pod.says(200);
  r.pod.answer.add("x");
  r.turn();
  ASSERT_TRUE(r.outcome);
  EXPECT_EQ(r.error().whose, Whose::downstream);
  EXPECT_EQ(r.pod.released, false);
}

}  // namespace
}  // namespace sluice::data
