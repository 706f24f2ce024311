// The one rule that says whether another pod is asked.
#include "data/proxy/retry.h"

#include <gtest/gtest.h>

#include "../bare_context.h"
#include "../fakes.h"

namespace sluice::data {
namespace {

using namespace std::chrono_literals;
using model::RetryOn;
using net::http::Method;

Error by_pod(Fault fault, Retry retry = Retry::yes) {
  return {fault, Whose::upstream, retry, 0, ""};
}

// A GET without a body that one pod was asked already, of a route that says nothing about retries.
struct Retried : BareContext {
  model::RouteSettings settings;
  model::Options options;
  FakeClient client{worker};
  Peer peer;
  std::unique_ptr<ExchangeMemory> memory = worker.borrow_memory();
  Exchange ex{worker, client, peer, *memory};
  Retried() {
    ex.settings = &settings;
    ex.options = &options;
    ex.body_whole = true;
    ex.tries = 1;
    ex.tries_begun = worker.loop.now();
    method(Method::get);
  }
  ~Retried() { worker.return_memory(std::move(memory)); }
  void method(Method m) { ex.head().method = m; }
  void on(std::initializer_list<RetryOn> conditions) {
    settings.retry_on.bits = 0;
    for (const auto c : conditions) settings.retry_on.add(c);
  }
  bool after(const Error& error, bool nothing_sent = false) {
    return may_retry(ex, error, nothing_sent, worker.loop.now());
  }
  void pass(Duration time) {
    clock.advance(time);
    worker.loop.turn(0ms);
  }
};

TEST(Retry, ConditionsAreThoseOfTheRoute) {
  struct Row {
    Fault fault;
    RetryOn condition;
    bool by_default;
  };
  for (const auto& [fault, condition, by_default] : {
           Row{Fault::closed, RetryOn::error, true},
           Row{Fault::reset, RetryOn::error, true},
           Row{Fault::connect_refused, RetryOn::error, true},
           Row{Fault::tls, RetryOn::error, true},
           Row{Fault::timeout, RetryOn::timeout, true},
           Row{Fault::connect_timeout, RetryOn::timeout, true},
           Row{Fault::malformed, RetryOn::invalid_header, false},
           Row{Fault::too_large, RetryOn::invalid_header, false},
       }) {
    Retried r;
    EXPECT_EQ(r.after(by_pod(fault)), by_default) << to_string(fault);
    r.on({condition});
    EXPECT_TRUE(r.after(by_pod(fault))) << to_string(fault);
    r.on({condition == RetryOn::error ? RetryOn::timeout : RetryOn::error});
    EXPECT_FALSE(r.after(by_pod(fault))) << to_string(fault);
  }
}

TEST(Retry, OnlyWhatIsNotTheClientsFaultAndMayBeMet) {
  Retried r;
  EXPECT_TRUE(r.after(by_pod(Fault::reset)));
  EXPECT_FALSE(r.after(by_pod(Fault::reset, Retry::no)));
  EXPECT_FALSE(r.after({Fault::reset, Whose::downstream, Retry::yes, 0, ""}));
  EXPECT_FALSE(r.after({Fault::cancelled, Whose::internal, Retry::yes, 0, ""}));
  // Another endpoint may have room.
  EXPECT_TRUE(r.after({Fault::overload, Whose::internal, Retry::yes, 503, ""}));
}

TEST(Retry, WhatAPodMayHaveSeenIsSentTwiceOnlyWhereThatDoesNoHarm) {
  for (const Method m : {Method::get, Method::head, Method::put, Method::del, Method::options, Method::trace}) {
    Retried r;
    r.method(m);
    EXPECT_TRUE(r.after(by_pod(Fault::reset))) << net::http::to_string(m);
  }
  for (const Method m : {Method::post, Method::patch, Method::other}) {
    Retried r;
    r.method(m);
    EXPECT_FALSE(r.after(by_pod(Fault::reset))) << net::http::to_string(m);
    EXPECT_TRUE(r.after(by_pod(Fault::reset), true)) << "no pod has seen it";
    r.settings.retry_non_idempotent = true;
    EXPECT_TRUE(r.after(by_pod(Fault::reset)));
    r.settings.retry_non_idempotent = false;
    r.on({RetryOn::error, RetryOn::non_idempotent});
    EXPECT_TRUE(r.after(by_pod(Fault::reset)));
  }
}

TEST(Retry, ABodyThatIsGoneCannotBeSentAgain) {
  Retried r;
  r.ex.body_whole = false;
  EXPECT_TRUE(r.after(by_pod(Fault::reset))) << "nothing of it was taken";
  r.ex.body_touched = true;
  EXPECT_FALSE(r.after(by_pod(Fault::reset)));
  EXPECT_FALSE(r.after(by_pod(Fault::reset), true));
  EXPECT_FALSE(r.after(by_pod(Fault::closed, Retry::reused_only)));
  EXPECT_FALSE(r.after(by_pod(Fault::closed, Retry::unprocessed)));
  r.ex.body_whole = true;
  EXPECT_TRUE(r.after(by_pod(Fault::reset))) << "it was kept";
}

TEST(Retry, NotOnceTheClientHasSomethingOrIsGone) {
  Retried r;
  r.client.status = 200;
  EXPECT_FALSE(r.after(by_pod(Fault::reset), true));
  r.client.status = 0;
  EXPECT_TRUE(r.after(by_pod(Fault::reset), true));
  r.ex.client_gone = true;
  EXPECT_FALSE(r.after(by_pod(Fault::reset), true));
}

TEST(Retry, TriesAreCounted) {
  Retried r;
  r.settings.tries = 3;
  r.ex.tries = 2;
  EXPECT_TRUE(r.after(by_pod(Fault::reset)));
  r.ex.tries = 3;
  EXPECT_FALSE(r.after(by_pod(Fault::reset)));
  // Without a limit of the route there is ours.
  r.settings.tries = 0;
  r.ex.tries = 15;
  EXPECT_TRUE(r.after(by_pod(Fault::reset)));
  r.ex.tries = 16;
  EXPECT_FALSE(r.after(by_pod(Fault::reset)));
}

// As by nginx: what an authentication or a body that is collected first takes is no part of it.
TEST(Retry, TimeIsCountedFromTheFirstTry) {
  Retried r;
  r.ex.begun = r.ex.tries_begun - 1h;
  r.settings.tries_timeout = 10s;
  r.pass(9s);
  EXPECT_TRUE(r.after(by_pod(Fault::reset)));
  r.pass(1s);
  EXPECT_FALSE(r.after(by_pod(Fault::reset)));
  r.settings.tries_timeout = 0s;
  EXPECT_TRUE(r.after(by_pod(Fault::reset)));
}

TEST(Retry, AStaleConnectionIsReplacedWithoutCounting) {
  Retried r;
  r.settings.tries = 1;
  EXPECT_FALSE(r.after(by_pod(Fault::closed)));
  EXPECT_TRUE(r.after(by_pod(Fault::closed, Retry::reused_only)));
  r.on({RetryOn::timeout});
  EXPECT_FALSE(r.after(by_pod(Fault::closed, Retry::reused_only)));
  r.on({RetryOn::error});
  r.method(Method::post);
  EXPECT_FALSE(r.after(by_pod(Fault::closed, Retry::reused_only)));
}

TEST(Retry, WhatAPodHasNotProcessedGoesAgainWhateverTheConditions) {
  Retried r;
  r.on({});
  EXPECT_TRUE(r.after(by_pod(Fault::closed, Retry::unprocessed)));
  r.ex.tries = r.settings.tries;
  EXPECT_FALSE(r.after(by_pod(Fault::closed, Retry::unprocessed)));
}

TEST(Retry, OverTheStatusOfAnAnswer) {
  struct Row {
    int status;
    RetryOn condition;
  };
  for (const auto& [status, condition] :
       {Row{403, RetryOn::http_403}, Row{404, RetryOn::http_404}, Row{429, RetryOn::http_429},
        Row{500, RetryOn::http_500}, Row{502, RetryOn::http_502}, Row{503, RetryOn::http_503},
        Row{504, RetryOn::http_504}}) {
    Retried r;
    EXPECT_FALSE(may_retry_over(r.ex, status)) << status;
    r.on({condition});
    EXPECT_TRUE(may_retry_over(r.ex, status)) << status;
    EXPECT_FALSE(may_retry_over(r.ex, 200));
    EXPECT_FALSE(may_retry_over(r.ex, status == 503 ? 502 : 503));
    r.ex.grpc = true;
    EXPECT_FALSE(may_retry_over(r.ex, status)) << "its status stands elsewhere";
    r.ex.grpc = false;
    r.method(Method::post);
    EXPECT_FALSE(may_retry_over(r.ex, status)) << "the pod has seen it";
    r.method(Method::get);
    r.ex.tries = r.settings.tries;
    EXPECT_FALSE(may_retry_over(r.ex, status));
    r.ex.tries = 1;
    r.settings.tries_timeout = 5s;
    r.pass(5s);
    EXPECT_FALSE(may_retry_over(r.ex, status));
  }
}

}  // namespace
}  // namespace sluice::data
