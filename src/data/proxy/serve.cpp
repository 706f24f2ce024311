#include "data/proxy/serve.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/seconds.h"
#include "data/plan/destination.h"
#include "data/plan/loop.h"
#include "data/plan/plan.h"
#include "data/proxy/attempt.h"
#include "data/proxy/choose.h"
#include "data/proxy/edit.h"
#include "data/proxy/elsewhere.h"
#include "data/proxy/error_page.h"
#include "data/proxy/grpc.h"
#include "data/proxy/hedge.h"
#include "data/proxy/local_reply.h"
#include "data/proxy/logged_values.h"
#include "data/proxy/misdirected.h"
#include "data/proxy/pause.h"
#include "data/proxy/prepare.h"
#include "data/proxy/program.h"
#include "data/proxy/relay.h"
#include "data/proxy/request_body.h"
#include "data/proxy/request_deadline.h"
#include "data/proxy/retry.h"
#include "data/runtime/worker_context.h"
#include "data/upstream/lease.h"
#include "net/http/grammar.h"

namespace sluice::data {

namespace {

using net::http::Method;

// RFC 9110 section 7.6.2: an OPTIONS that may go no further is answered here, any other has one hop less before it.
// True: it may go no further.
bool hops_used_up(Exchange& ex) {
  for (auto& f : ex.head().fields.all()) {
    auto digits = f.value;
    std::uint64_t hops = 0;
    if (f.id != net::http::Name::max_forwards || !net::http::read_length(digits, hops)) continue;
    if (hops == 0) return true;
    f.value = ex.memory.joined.emplace_back(std::to_string(hops - 1));
  }
  return false;
}

// What is asked of the proxy itself.
std::optional<LocalReply> answer_for_the_proxy(Exchange& ex) {
  const auto& head = ex.head();
  if (head.path_query == "*") return LocalReply{200, {}, "OPTIONS * is for the proxy itself"};
  if (head.method == Method::options && hops_used_up(ex)) return LocalReply{200, {}, "Max-Forwards is used up"};
  return std::nullopt;
}

// Fields of a request may say whose it is, and who trusts them is told that it comes from loopback: the connection has
// to come from there, too.
LocalReply status_page(Exchange& ex, LocalReply decided) {
  const auto& page = ex.worker.shared.status_page;
  if (decided.status != 200) return decided;
  if (ex.peer.proxy || !is_loopback(ex.peer.bytes) || !page)
    return LocalReply{403, {}, "the counters of nginx are shown to those on loopback alone"};
  decided.body = page();
  return decided;
}

// What no route is asked about.
std::optional<LocalReply> answer_without_route(Exchange& ex) {
  if (auto verdict = decide_without_route(ex.process, ex)) {
    if (verdict->by != kProbe && verdict->by != kStatus) return std::move(verdict->reply);
    static const model::RouteSettings unlogged = [] {
      model::RouteSettings s;
      s.access_log = false;
      return s;
    }();
    ex.settings = &unlogged;
    if (verdict->by == kStatus) return status_page(ex, std::move(verdict->reply));
    if (ex.worker.draining()) return LocalReply{503, {}, "draining"};
    return std::move(verdict->reply);
  }
  if (ex.peer.tls)
    if (const char* why =
            misdirected(ex.view->snapshot(), ex.record.server_name, ex.memory.host, ex.worker.shared.passthrough)) {
      ex.unlocated = true;
      return LocalReply{421, {}, why};
    }
  return std::nullopt;
}

// Whose priority is too low for what holds: those of low priority first, those of high priority where no others are
// left to refuse. For descriptors alone they are not: nobody new is let in then, and they may find one.
std::optional<LocalReply> answer_for_overload(Exchange& ex) {
  const Held held = ex.worker.held();
  if (!held.refuses()) [[likely]]
    return std::nullopt;
  if (ex.main != nullptr) return std::nullopt;  // which has been let in
  const bool all = held.by(Source::memory, Rung::stop) || held.by(Source::lag, Rung::stop);
  const bool normal = all || held.any(Rung::refuse);
  const model::Priority priority = ex.settings->priority;
  if (!(priority == model::Priority::high ? all : priority == model::Priority::low || normal)) return std::nullopt;
  ex.worker.stats.shed_requests.add();
  (normal ? ex.worker.stats.overload_refused : ex.worker.stats.overload_low_refused).add();
  LocalReply out{
      .status = 503,
      .why = normal ? "overload: new requests are refused" : "overload: requests of low priority are refused"};
  // A connection that goes on is cheaper than a new one; it costs what else is short.
  out.close = held.of(Source::lag) != held;
  ex.comes_too_soon = !out.close && priority != model::Priority::high;
  out.retry_after = ex.options->overload_retry_after;
  return out;
}

// Pods come back: who asked for one that is not there may ask again soon.
std::chrono::seconds ask_again(const Exchange& ex) noexcept {
  return std::chrono::seconds(ex.options->exact ? 0 : 1);
}

// What becomes of the request once all were asked; nothing: a pod answers.
std::optional<LocalReply> settle(Exchange& ex, std::optional<Verdict> verdict) {
  take_effect(ex, verdict ? &*verdict : nullptr);
  if (verdict) {
    ex.unlocated = answers_at_server(verdict->by);
    if (verdict->by == kNoEndpoints && verdict->reply.status == 503) verdict->reply.retry_after = ask_again(ex);
    return std::move(verdict->reply);
  }
  // What was meant for us is none of the pod's business, as in ingress-nginx.
  if (ex.settings->basic_auth)
    for (auto& f : ex.head().fields.all()) f.drop = f.drop || f.id == net::http::Name::authorization;
  return edit(ex);  // what the pod will see
}

// From the guard `waits` on, which only those that charge do not make wait; it becomes the first that does, or null.
std::optional<Verdict> charge(Exchange& ex, const Plan::Entry*& waits) {
  while (waits != nullptr && waits->step->charges()) {
    const Plan::Entry& guard = *waits;
    if (ex.asker == nullptr) {  // else its client has been charged
      if (auto reply = guard.step->charge(ex)) {
        waits = nullptr;
        return Verdict{std::move(*reply), guard.name};
      }
    }
    if (auto verdict = decide_behind(ex, guard, &waits)) return verdict;
  }
  return std::nullopt;
}

// The answer that one of ours gives, in the order in which they are asked; nothing: a pod answers, unless the guard
// `waits` says otherwise, which has to wait.
std::optional<LocalReply> answer(Exchange& ex, const Plan::Entry*& waits) {
  if (ex.process != nullptr)
    if (auto verdict = decide_for_all(ex.process, ex)) {
      ex.unlocated = answers_at_server(verdict->by);
      return std::move(verdict->reply);
    }
  if (auto reply = answer_for_the_proxy(ex)) return reply;
  if (auto reply = answer_without_route(ex)) return reply;
  if (auto reply = answer_for_overload(ex)) return reply;
  auto verdict = decide_for_route(ex, &waits);
  ex.past_rewrites = !verdict || !answers_before_rewrites(verdict->by);
  if (waits != nullptr) [[unlikely]] {
    verdict = charge(ex, waits);
    if (waits != nullptr) return std::nullopt;
  }
  return settle(ex, std::move(verdict));
}

// The same from the guard on that has to wait. Meanwhile the client may leave.
net::Task<Result<std::optional<LocalReply>>> answer_after(Exchange& ex, const Plan::Entry* guard) {
  for (;;) {
    net::Task<Result<std::optional<LocalReply>>> asking = guard->step->wait(ex);
    Result<std::optional<LocalReply>> said = co_await asking;
    if (!said) co_return std::move(said);
    std::optional<Verdict> verdict;
    const Plan::Entry* next = nullptr;
    if (*said)
      verdict.emplace(std::move(**said), guard->name);
    else
      verdict = decide_behind(ex, *guard, &next);
    if (next != nullptr) verdict = charge(ex, next);
    if (next == nullptr) {
      *said = settle(ex, std::move(verdict));
      co_return std::move(said);
    }
    guard = next;
  }
}

// An upgrade is offered by a Connection field of HTTP/1.1 that says so.
bool passes_upgrades(const model::RouteSettings& settings) noexcept {
  return !settings.http_1_0 && settings.connection_field == model::ConnectionField::usual;
}

// What both bodies run through; of several the first one that takes the exchange.
std::unique_ptr<BodyTransform> transform(Exchange& ex) {
  if (ex.route == nullptr || ex.route->plan == nullptr || ex.main != nullptr) return nullptr;
  for (const auto& entry : (*ex.route->plan)[Phase::body])
    if (auto taken = entry.step->transform(ex)) return taken;
  return nullptr;
}

constexpr Error kNoEndpoint{Fault::no_endpoints, Whose::upstream, Retry::no, 503, "no endpoint takes requests"};
constexpr Error kTooMany{Fault::overload, Whose::internal, Retry::no, 503,
                         "a limit of requests to the Service port is reached"};
constexpr Error kComesBack{Fault::unsupported, Whose::upstream, Retry::no, 508,
                           "a hundred requests with its X-Request-ID are under way: it comes back to itself"};

// What ends the exchange after an attempt that has failed by `error`; null: it may go on.
const Error* end_of(Exchange& ex, const Error& error, bool nothing_sent, std::uint32_t& unprocessed) {
  if (ex.given_up) return &*ex.given_up;
  if (ex.client_gone) return &kClientLeft;
  if (ex.passed != PassedDeadline::none) return &late(ex.passed);
  const bool uncounted =
      error.retry == Retry::unprocessed || error.retry == Retry::elsewhere || is_full(error);  // it was not asked
  if (uncounted && ++unprocessed <= kMostUnprocessed) --ex.tries;
  if (error.retry == Retry::answered || may_retry(ex, error, nothing_sent, ex.worker.loop.now())) return nullptr;
  return &error;
}

// A route without hedge-delay pays for this one look.
bool is_hedged(const Exchange& ex) noexcept {
  return ex.settings->hedge_delay.count() != 0 && may_be_hedged(ex);
}

// Most requests find a connection that lies idle, and have no need of a coroutine that could wait.
std::optional<Lease> lease_at_once(Exchange& ex, const AttemptInFlight& in_flight, bool fresh) {
  if (fresh || is_hedged(ex)) [[unlikely]]
    return std::nullopt;
  return lease_idle(ex.worker, ex, *in_flight.endpoint());
}

net::Task<Result<Lease>> lease_for(Exchange& ex, AttemptInFlight& in_flight, bool fresh) {
  if (is_hedged(ex)) return lease_hedged(ex, in_flight, fresh);
  return lease(ex.worker, ex, in_flight.endpoint(), fresh);
}

}  // namespace

// Many of these wait at once, for slow clients: what it keeps meanwhile is little, and its steps stand outside of it.
net::Task<Status> attempts(Exchange& ex) {
  WorkerContext& worker = ex.worker;
  const UnderWay under_way(ex);
  const RequestOfCluster counted(ex);
  if (under_way.too_often() || counted.is_refused()) [[unlikely]] {
    if (counted.is_refused()) worker.stats.shed_requests.add();
    const Status refused = std::unexpected(under_way.too_often() ? kComesBack : kTooMany);
    co_return refused;
  }
  ex.memory.tried.clear();
  ex.tries_begun = worker.loop.now();
  if (ex.options->retry_budget_percent != 0) [[unlikely]]
    ex.cluster->budget.asked(worker.loop.now());
  std::uint32_t unprocessed = 0;
  bool fresh = false;
  for (;;) {
    std::shared_ptr<EndpointRuntime> endpoint = ex.cluster->pick(ex);
    if (!endpoint && !ex.pod_saw_it && choose_again(ex)) endpoint = ex.cluster->pick(ex);
    Status outcome{};
    if (!endpoint) {
      outcome = std::unexpected(kNoEndpoint);
      co_return outcome;
    }
    begin_attempt(ex, *endpoint);
    bool nothing_sent = true;
    {
      AttemptInFlight in_flight(std::move(endpoint), ex.cluster->policy(), worker.loop.now());
      ex.in_flight = &in_flight;
      std::optional<Lease> held = lease_at_once(ex, in_flight, fresh);
      if (!held) {
        net::Task<Result<Lease>> leasing = lease_for(ex, in_flight, fresh);
        Result<Lease> leased = co_await leasing;
        if (leased)
          held.emplace(std::move(*leased));
        else
          outcome = std::unexpected(leased.error());
      }
      if (held) {
        net::Task<Status> relaying = relay(ex, std::move(*held));
        outcome = co_await relaying;
        nothing_sent = !ex.pod_saw_it;
      }
      if (std::exchange(ex.in_flight, nullptr) != nullptr) note_outcome(ex, in_flight, outcome);
    }
    if (outcome) co_return outcome;
    const Retry how = outcome.error().retry;
    if (const Error* end = end_of(ex, outcome.error(), nothing_sent, unprocessed)) {
      if (is_full(outcome.error())) worker.stats.shed_requests.add();
      if (end != &outcome.error()) outcome = std::unexpected(*end);
      co_return outcome;
    }
    // Who was only waited for was not asked: the record does not list him, and asking another one is no further try.
    if (how == Retry::elsewhere || is_full(outcome.error())) {
      forget_attempt(ex);
      continue;
    }
    worker.stats.retries.add();
    if (ex.wanted) forget_pod_fields(ex);
    if (how == Retry::reused_only) {
      fresh = true;
      --ex.tries;
    } else if (ex.options->retry_backoff.count() != 0 && !nothing_sent) [[unlikely]] {
      net::Task<Status> pausing = pause(ex, worker.loop.now() + backoff(ex));
      outcome = co_await pausing;
      if (!outcome) co_return outcome;
    }
  }
}

namespace {

void copy(Exchange& ex) {
  for (const auto& entry : (*ex.route->plan)[Phase::copy]) {
    ex.copy = entry.step->copy(ex);
    if (ex.copy && ex.head().framing == net::http::Framing::none) ex.copy->take({}, true);
  }
}

// Where proxy_pass_request_body is off. What is not here yet of the body is not waited for: the connection ends
// instead.
void pass_no_body(Exchange& ex) {
  auto& head = ex.head();
  const auto& snippet = ex.settings->snippet;  // null: a rewrite leads to a path without one
  if (!snippet || !snippet->without_body || head.framing == net::http::Framing::none || ex.tunnel) return;
  std::string_view unused;
  if (!ex.down.body().ended() && !ex.down.whole_body(unused)) ex.close_after = true;
  head.framing = net::http::Framing::none;
  // With the body its trailers are left out, and what announces them.
  using net::http::Name;
  for (auto& f : head.fields.all()) f.drop = f.drop || f.id == Name::content_length || f.id == Name::trailer;
}

// The connection, or the stream, ends without a byte.
void say_nothing(Exchange& ex, std::uint16_t status) {
  ex.record.status = status;
  ex.close_after = true;
  ex.down.abort();
}

// A path of the host that answers in place of this error; null: none does. As with other pages (has_page()), what
// comes back to us would ask for itself, a WebSocket's 200 would say that it is open, and near a limit the shortest
// answer is the best one.
const model::SnippetErrorPage* page_elsewhere(const Exchange& ex, int status) noexcept {
  if (ex.program == nullptr) [[likely]]
    return nullptr;
  if (ex.grpc || status == 508 || (ex.head().upgrade && ex.head().major >= 2)) return nullptr;
  return ex.worker.held().refuses() ? nullptr : asked_for(ex, status);
}

// By the route's Service of error pages, where it answers in place of this one.
net::Task<Status> send_reply(Exchange& ex, LocalReply reply) {
  // What a sub-request says is judged, and no page has a status that may let anybody in.
  const bool own_text = ex.main != nullptr || ex.for_error || is_own_text(ex, reply);
  // The first that takes the error, as nginx has them in its location.
  const bool instead = !own_text && ((!answers_as_grpc(ex) && send_to_sign_in(ex, reply)) || answer_error(ex, reply));
  if (instead && reply.silent) {
    say_nothing(ex, reply.status);
    co_return Status{};
  }
  if (instead) {
    net::Task<Status> sending = send_local_reply(ex, std::move(reply));
    Status sent = co_await sending;
    co_return sent;
  }
  if (const auto* page = own_text ? nullptr : page_elsewhere(ex, reply.status)) {
    net::Task<bool> leading = answer_error_from_elsewhere(ex, *page, reply);
    const bool led = co_await leading;
    if (led) co_return Status{};
  }
  if (!own_text && has_page(ex, reply.status)) {
    net::Task<Result<bool>> paging = send_error_page(ex, reply);
    Result<bool> paged = co_await paging;
    if (!paged) co_return std::unexpected(paged.error());
    if (*paged) co_return Status{};
  }
  net::Task<Status> sending = send_local_reply(ex, std::move(reply));
  Status sent = co_await sending;
  co_return sent;
}

net::Task<void> fail(Exchange& ex, Error error) {
  if (ex.given_up) error = *ex.given_up;  // and not what it looked like from where it was met
  const auto status = status_of(error);
  if (error.fault == Fault::too_slow) ex.worker.stats.too_slow.add();
  ex.record.reason = error.detail;
  ex.record.ours = error.whose != Whose::downstream && error.fault != Fault::cancelled && !ex.client_gone;
  if (ex.down.started()) {
    if (!ex.down.complete()) ex.down.abort();
    ex.close_after = true;
    co_return;
  }
  ex.record.status = status;
  if (ex.given_up || ex.client_gone || (status == 499 && error.whose == Whose::downstream)) {
    ex.close_after = true;
    co_return;
  }
  // A pod's reset of a call is passed on as what it is: its code tells the client what the pod meant.
  if (ex.grpc && ex.reset_code && ex.passed == PassedDeadline::none && error.whose == Whose::upstream &&
      ex.head().major >= 2) {
    ex.down.abort();
    co_return;
  }
  if (error.whose == Whose::downstream || !ex.down.body().ended()) ex.close_after = true;
  LocalReply page{status, {}, error.detail};
  if (error.fault == Fault::no_endpoints) page.retry_after = ask_again(ex);
  net::Task<Status> sending = send_reply(ex, std::move(page));
  Status sent = co_await sending;
  if (!sent) ex.close_after = true;
}

// The record of an exchange that is over.
void finish(Exchange& ex) {
  auto& r = ex.record;
  WorkerContext& worker = ex.worker;
  if (!ex.recorded) describe(ex);
  r.request_seconds = seconds(worker.loop.fresh_now() - ex.begun);
  r.wall_ms = worker.wall_ms();
  if (!ex.recorded && worker.recorder.wants_names(r)) name_route(ex);
  worker.recorder.finished(r);
}

void end(Exchange& ex) {
  for (auto*& place : ex.counted) {
    if (place == nullptr) [[likely]]
      break;
    LimitTable::leave(std::exchange(place, nullptr));
  }
  if (ex.asker != nullptr) return;  // which takes over what is told
  ex.worker.stats.requests_active.sub();
  finish(ex);
  release(ex);
}

}  // namespace

net::Task<void> serve(Exchange& ex) {
  if (ex.asker == nullptr) {
    ex.worker.stats.requests.add();
    ++ex.peer.requests;
    ex.worker.stats.requests_active.add();
  }
  ex.begun = ex.worker.loop.now();

  Status prepared = prepare(ex);  // who asks, what for, which route
  if (prepared) ex.transform = transform(ex);
  ex.grpc = ex.grpc || ex.transform;
  RequestDeadline deadline(ex);
  if (ex.grpc || ex.settings->request_timeout.count() != 0) deadline.arm();
  std::optional<LocalReply> reply;
  const Plan::Entry* waits = nullptr;
  if (prepared) reply = answer(ex, waits);  // who may come, what is answered here
  if (waits != nullptr) {
    net::Task<Result<std::optional<LocalReply>>> asking = answer_after(ex, waits);
    Result<std::optional<LocalReply>> said = co_await asking;
    if (said)
      reply = std::move(*said);
    else
      prepared = std::unexpected(ex.passed != PassedDeadline::none ? late(ex.passed) : said.error());
  }
  ex.tunnel = prepared && !reply && ex.head().upgrade && passes_upgrades(*ex.settings);

  if (!prepared) {
    co_await fail(ex, prepared.error());
  } else if (reply) {
    // A body that is not here yet is not waited for: the connection ends instead.
    std::string_view unused;
    if (!ex.down.body().ended() && !ex.down.whole_body(unused)) ex.close_after = true;
    if (reply->close) ex.close_after = true;
    if (reply->gave_up) ex.worker.stats.regex_gave_up.add();
    if (reply->silent) {
      ex.record.reason = reply->why;
      say_nothing(ex, reply->status);
      end(ex);
      co_return;
    }
    const bool ours = reply->ours.value_or(reply->status >= 500);
    if (ours || reply->ours) ex.record.reason = reply->why, ex.record.ours = ours;
    net::Task<Status> sending = send_reply(ex, std::move(*reply));
    Status sent = co_await sending;
    if (!sent) ex.close_after = true;
  } else {
    Status outcome{};
    if (ex.program != nullptr) [[unlikely]]
      pass_no_body(ex);
    if (ex.route->plan != nullptr && ex.main == nullptr) copy(ex);  // who else gets it
    if (!body_is_here(ex)) outcome = co_await take_request_body(ex);
    if (outcome && ex.passed != PassedDeadline::none) outcome = std::unexpected(late(ex.passed));
    if (outcome) outcome = co_await attempts(ex);  // pick, lease, relay; again where the rule allows
    if (!outcome && ex.intercepted && !ex.given_up && !ex.client_gone) {
      LocalReply error{ex.intercepted->status, {}, "the pod's answer is one that another stands in for"};
      error.fields = ex.intercepted->challenges;
      net::Task<Status> sending = send_reply(ex, std::move(error));
      Status sent = co_await sending;
      if (!sent) ex.close_after = true;
    } else if (!outcome && ex.elsewhere && !ex.given_up && !ex.client_gone) [[unlikely]] {
      if (ex.asker == nullptr) {  // else whoever asks is told of it
        net::Task<void> leading = answer_from_elsewhere(ex);
        co_await leading;
      }
    } else if (!outcome) {
      const Error& why = outcome.error();
      if (why.whose == Whose::downstream && why.fault == Fault::timeout) ex.worker.stats.timeouts_body.add();
      co_await fail(ex, why);
    }
  }

  end(ex);
}

net::Task<void> refuse(Exchange& ex, Error why) {
  ex.worker.stats.requests.add();
  ++ex.peer.requests;
  if (why.fault == Fault::timeout)
    ex.worker.stats.timeouts_header.add();
  else
    ex.worker.stats.malformed_requests.add();
  ex.begun = ex.worker.loop.now();
  pin_view(ex);
  ex.close_after = true;
  give_request_id(ex);
  co_await fail(ex, why);
  finish(ex);
  release(ex);
}

}  // namespace sluice::data
