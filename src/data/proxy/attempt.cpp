#include "data/proxy/attempt.h"

#include <algorithm>
#include <chrono>

#include "base/seconds.h"
#include "data/proxy/retry.h"
#include "data/upstream/lease.h"

namespace sluice::data {

namespace {

// Until the head of the answer, the connect included, but not what the request waited for its turn; there was one.
float answer_seconds(const Exchange& ex, const Attempt& attempt) noexcept {
  return attempt.header_seconds - seconds(ex.asked - ex.try_begun) + std::max(attempt.connect_seconds, 0.0F);
}

// Nobody waited for the pod any longer, which says nothing of it: a client chooses the deadline of its call.
bool left(const Exchange& ex) noexcept {
  return ex.client_gone || ex.given_up || ex.passed == PassedDeadline::call;
}

// What the endpoint's policy learns from an attempt; without a clock where it learns nothing.
void learn(Exchange& ex, AttemptInFlight& in_flight, const Status& outcome) {
  using enum AttemptOutcome::How;
  if (!in_flight.is_observed()) return;
  if (!outcome && outcome.error().retry == Retry::reused_only) return;  // it may not have noticed the request
  if (!outcome && outcome.error().retry == Retry::elsewhere) return;    // nor was it asked
  const Instant now = ex.worker.loop.fresh_now();
  const Attempt& attempt = *ex.attempt;
  if (attempt.header_seconds >= 0) return in_flight.over({answered, answer_seconds(ex, attempt)}, now);
  const bool to_blame = !outcome && outcome.error().whose == Whose::upstream && !left(ex);
  in_flight.over({to_blame ? failed : cut_short, seconds(now - in_flight.begun())}, now);
}

// Who takes longer than the others, as a rule, gets no requests for a while either.
void judge_latency(Exchange& ex, EndpointHealth& health, const Attempt& attempt, Instant now) {
  if (attempt.header_seconds < 0) return;
  health.answered(answer_seconds(ex, attempt), now);
  EndpointRuntime* const slow = ex.cluster->find_slow(*ex.options);
  if (slow == nullptr) return;
  const bool crowded = ex.cluster->is_crowded(*ex.options);
  if (!ex.cluster->health_of(*slow).too_slow(*ex.options, now, crowded)) return;
  ex.worker.stats.endpoints_too_slow.add();
  ex.worker.shared.health.changed(ex.cluster->spec().ns);
  ex.cluster->notice(
      *slow, crowded ? "it takes much longer than the others, and gets requests as too many are left out already"
                     : "it gets no requests for a while, as it takes much longer than the others");
}

// What all workers learn of the endpoint's health from an attempt. Of a stale connection that was kept nothing: its
// request goes again by itself.
void judge(Exchange& ex, EndpointRuntime& endpoint, const Status& outcome) {
  const Attempt& attempt = *ex.attempt;
  const int status = attempt.status;
  constexpr int kUnavailable = 14;
  bool failed = status == 500 || (status >= 502 && status <= 504) || ex.record.grpc_status == kUnavailable;
  if (status == 0) {
    if (outcome || outcome.error().whose != Whose::upstream || outcome.error().retry == Retry::reused_only) return;
    if (left(ex) || outcome.error().retry == Retry::unprocessed) return;
    failed = true;
  }
  if (failed)
    return ex.cluster->failed(endpoint, status == 0 && outcome.error().fault == Fault::unreachable, *ex.options);
  ex.cluster->succeeded(endpoint, ex.try_begun);
  if (ex.options->outlier_latency_factor != 0)
    judge_latency(ex, ex.cluster->health_of(endpoint), attempt, ex.worker.loop.now());
}

}  // namespace

Attempt& add_attempt(ExchangeRecord& of, const EndpointRuntime& endpoint) noexcept {
  Attempt& attempt = of.attempt[std::min(of.attempts, kMaxAttempts - 1)];
  attempt = Attempt{};
  endpoint.text.copy(attempt.address, sizeof attempt.address - 1);
  of.attempts = std::min(of.attempts + 1, kMaxAttempts);
  return attempt;
}

void begin_attempt(Exchange& ex, const EndpointRuntime& endpoint) noexcept {
  ex.attempt = &add_attempt(ex.record, endpoint);
  ++ex.tries;
  if (!ex.client_gone) ex.reset_code.reset();
  ex.try_begun = ex.worker.loop.now();
  ex.try_until = try_until(ex, ex.try_begun);
}

void forget_attempt(Exchange& ex) noexcept {
  if (ex.record.attempts > 0 && ex.attempt == &ex.record.attempt[ex.record.attempts - 1]) --ex.record.attempts;
}

void note_outcome(Exchange& ex, AttemptInFlight& in_flight, const Status& outcome) {
  learn(ex, in_flight, outcome);
  if (ex.options->outlier_consecutive_failures != 0 || ex.options->outlier_latency_factor != 0) [[unlikely]]
    judge(ex, *in_flight.endpoint(), outcome);
  if (outcome) return;
  const Error& why = outcome.error();
  Attempt& attempt = *ex.attempt;
  attempt.timed_out = why.fault == Fault::timeout || why.fault == Fault::connect_timeout;
  // What the client failed at, and what no pod was asked for, is no pod's status.
  attempt.blameless =
      attempt.blameless || why.whose == Whose::downstream || why.retry == Retry::elsewhere || is_full(why);
  if (is_full(why))
    attempt.response_seconds = seconds(ex.waited);  // it may have waited before, and been listed no longer
  else if (attempt.response_seconds == 0)
    attempt.response_seconds = seconds(ex.worker.loop.now() - ex.try_begun);
}

void append_page_attempts(ExchangeRecord& to, const ExchangeRecord& from) noexcept {
  for (int i = 0; i < from.attempts && to.attempts < kMaxAttempts; ++i) {
    Attempt& attempt = to.attempt[to.attempts++] = from.attempt[i];
    attempt.elsewhere = i == 0;
    attempt.for_page = true;
  }
}

}  // namespace sluice::data
