#include "data/proxy/hedge.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "base/seconds.h"
#include "data/proxy/attempt.h"
#include "data/proxy/grpc.h"
#include "data/proxy/relay.h"
#include "data/proxy/retry.h"
#include "data/runtime/borrowed_memory.h"
#include "data/runtime/worker_context.h"
#include "data/upstream/lease.h"
#include "net/io/precise_deadlines.h"
#include "net/io/signal.h"

namespace sluice::data {

namespace {

constexpr Error kSlower{Fault::cancelled, Whose::internal, Retry::no, 0, "another pod has answered sooner"};
constexpr Error kUnwanted{Fault::none, Whose::upstream, Retry::no, 502,
                          "an answer that another pod is asked for instead"};

// Does the head in ex.memory.response end the race? Not one that the route asks another pod after, while there is one.
bool is_wanted(const Exchange& ex) noexcept {
  const auto& response = ex.memory.response;
  if (ex.grpc) return response.status == 200 || is_grpc(response.fields);
  return !ex.settings->retry_on.has_status(response.status);
}

void note_head(Exchange& ex) noexcept {
  ex.attempt->status = static_cast<std::uint16_t>(ex.memory.response.status);
  ex.attempt->header_seconds = seconds(ex.worker.loop.now() - ex.try_begun);
}

// The try beside the first one, from its beginning until its answer is taken over or it is dropped. Its request is a
// twin of the first one's, with a head of an answer of its own.
struct Second {
  Second(Exchange& of, std::shared_ptr<EndpointRuntime> at)
      : memory(of.worker), ex(of, *memory), endpoint(std::move(at)), counted(std::in_place, ex) {
    in_flight.emplace(endpoint, ex.cluster->policy(), ex.worker.loop.now());
  }
  BorrowedMemory memory;
  Exchange ex;
  std::shared_ptr<EndpointRuntime> endpoint;
  std::optional<RequestOfCluster> counted;
  std::optional<AttemptInFlight> in_flight;  // none: attempts() has it, as the first one is over
  std::optional<Lease> lease;
  std::optional<Status> outcome;  // once it is over; good: the head of its answer is in `memory`, and stays
  bool dropped = false;           // nobody waits for it any more
  bool any_sent = false;
};

// All of the request goes to the second pod before its answer is looked for: the first one waits all the same.
net::Task<Status> ask_once(Second& second) {
  Exchange& ex = second.ex;
  Upstream& up = **second.lease;
  ex.asked = ex.worker.loop.now();
  ex.waiting_on = &up;
  net::Task<Status> asking = ask_whole(ex, up);
  Status status = co_await asking;
  if (status && ex.memory.response.status == 101) status = std::unexpected(kSwitchesUnasked);
  ex.waiting_on = nullptr;
  second.any_sent = second.any_sent || up.any_sent();
  ex.attempt->response_seconds = seconds(ex.worker.loop.now() - ex.try_begun);
  if (status) note_head(ex);
  co_return status;
}

// A stale kept connection is replaced, as for any try.
net::Task<Status> ask(Second& second) {
  for (bool fresh = false;; fresh = true) {
    net::Task<Result<Lease>> leasing = lease(second.ex.worker, second.ex, second.endpoint, fresh);
    Result<Lease> held = co_await leasing;
    Status status{};
    if (!held) {
      status = std::unexpected(held.error());
      co_return status;
    }
    second.lease.emplace(std::move(*held));
    if (second.dropped) {
      status = std::unexpected(kSlower);
      co_return status;
    }
    net::Task<Status> asking = ask_once(second);
    status = co_await asking;
    if (status || fresh || second.dropped || status.error().retry != Retry::reused_only) co_return status;
    second.lease.reset();
  }
}

// Whoever calls it waits for the first pod as for any. What the delay leads to happens beside that: the second one runs
// by itself, and where it answers it cancels what the first one's part waits for. Whoever waited there finds it out
// (settle). So nobody is in flight but while one of these functions waits: a Hedge that is released has one Upstream.
class Hedge final : public Upstream, private net::PreciseDeadline {
 public:
  Hedge(Exchange& ex, AttemptInFlight& in_flight) noexcept : ex_(ex), in_flight_(in_flight), news_(ex.worker.loop) {}

  net::Task<Status> lease_first(bool fresh);

  void begin(Exchange& ex) override {
    if (first_) (**first_).begin(ex);
  }
  void go_on_for(Exchange& ex) noexcept override { upstream()->go_on_for(ex); }
  net::Task<Status> send_head(Exchange& ex, std::string_view body, bool whole) override;
  bool request_left() const noexcept override { return !first_ || (**first_).request_left(); }
  net::Task<Status> send_body(Chunk piece) override;
  std::size_t room(std::size_t last) noexcept override {
    return first_ ? (**first_).room(last) : std::size_t{16} * 1024;
  }
  net::Task<Status> read_head(Exchange& ex) override;
  void hold() override { upstream()->hold(); }
  BodySource& body() override { return upstream()->body(); }
  void cancel(Error why) noexcept override;
  bool any_sent() const noexcept override { return any_sent_ || (upstream() != nullptr && upstream()->any_sent()); }
  bool any_received() const noexcept override { return upstream() != nullptr && upstream()->any_received(); }
  std::uint64_t body_bytes() const noexcept override { return upstream() == nullptr ? 0 : upstream()->body_bytes(); }
  std::uint64_t bytes_received() const noexcept override {
    return upstream() == nullptr ? 0 : upstream()->bytes_received();
  }
  net::Duplex& become_tunnel(std::string_view& early) override { return upstream()->become_tunnel(early); }
  void release(bool clean) noexcept override;

 private:
  void expired() override;
  void ask_another();
  net::Task<void> run_second();
  void second_is_over(Status status);
  void cancel_second(const Error& why) noexcept;
  net::Task<void> drop_second();
  net::Task<void> end_first(Status outcome);
  net::Task<Status> settle(Status first);
  void take_over();

  // Of whom the rest is. Null: both have failed.
  Upstream* upstream() const noexcept { return first_ ? &**first_ : won_ ? &**won_ : nullptr; }
  // Is there a second one that is under way, or has answered?
  bool has_second() const noexcept { return second_ && (!second_->outcome || *second_->outcome); }

  Exchange& ex_;
  AttemptInFlight& in_flight_;  // of attempts()
  net::Signal news_;            // for who waits for the second one alone, or for the end of a send_body()
  std::optional<Lease> first_, won_;
  std::unique_ptr<Second> second_;
  Instant asked_{};          // Exchange::asked of the second one, which has won
  Status failed_{};          // both have, before there was a Lease
  int sending_ = 0;          // calls of send_body() that wait for the first pod
  bool waits_ = false;       // for a step of the first one
  bool late_ = false;        // the delay was over while the client was being told something
  bool first_over_ = false;  // it has failed, or is too slow
  bool any_sent_ = false;    // by one that is gone
};

void Hedge::expired() {
  if (waits_)
    ask_another();
  else
    late_ = true;
}

void Hedge::ask_another() {
  WorkerContext& worker = ex_.worker;
  const Instant now = worker.loop.now();
  if (!may_hedge(ex_, now)) return;
  if (RequestOfCluster::is_full(ex_) || !worker.held().none()) return worker.stats.hedges_limited.add();
  auto& tried = ex_.memory.tried;
  const auto before = tried.size();
  if (before >= ex_.cluster->takers()) return;
  // Before the choice, which is a turn of the one that is chosen.
  if (!within_hedge_budget(ex_, now)) return worker.stats.hedges_over_budget.add();
  std::shared_ptr<EndpointRuntime> endpoint = ex_.cluster->pick(ex_);
  const auto known = tried.begin() + static_cast<std::ptrdiff_t>(before);
  if (!endpoint || std::find(tried.begin(), known, endpoint->load.id) != known) return tried.resize(before);
  ex_.hedged = true;
  ++ex_.tries;
  second_ = std::make_unique<Second>(ex_, endpoint);
  second_->ex.attempt = &add_attempt(ex_.record, *endpoint);
  second_->ex.try_begun = now;
  second_->ex.try_until = try_until(ex_, now);
  net::spawn(run_second());
}

net::Task<void> Hedge::run_second() {
  net::Task<Status> asking = ask(*second_);
  Status status = co_await asking;
  second_is_over(status);
}

// In the turn in which its head was read.
void Hedge::second_is_over(Status status) {
  Second& second = *second_;
  Exchange& ex = second.ex;
  second.counted.reset();
  if (status && second.dropped) status = std::unexpected(kSlower);
  if (status && !first_over_ && !is_wanted(ex)) status = std::unexpected(kUnwanted);
  if (status) {
    keep_head(ex, **second.lease);
  } else {
    (second.dropped ? ex.worker.stats.hedges_lost : ex.worker.stats.hedges_failed).add();
    second.lease.reset();
    any_sent_ = any_sent_ || second.any_sent;
    if (!first_over_) {  // else the outcome is that of the exchange's attempt
      ex.client_gone = ex_.client_gone;
      ex.given_up = ex_.given_up;
      ex.passed = ex_.passed;
      ex.attempt->blameless = status.error().detail == kSlower.detail;
      note_outcome(ex, *second.in_flight, status);
      second.in_flight.reset();
      // The last one in the record is the one whose answer it is.
      std::swap(*ex.attempt, *ex_.attempt);
      std::swap(ex.attempt, ex_.attempt);
      review_try(ex_, ex_.worker.loop.now());
    }
  }
  second.outcome = status;
  if (!waits_) return news_.notify();
  if (!status) return;
  if (first_)
    (**first_).cancel(kSlower);
  else if (ex_.waiting_on != nullptr)
    ex_.waiting_on->cancel(kSlower);
}

void Hedge::cancel_second(const Error& why) noexcept {
  if (!second_ || second_->outcome) return;
  Exchange& ex = second_->ex;
  second_->dropped = true;
  ex.client_gone = ex_.client_gone;
  ex.given_up = ex_.given_up;
  ex.passed = ex_.passed;
  ex.reset_code = ex_.reset_code;
  if (ex.waiting_on != nullptr) ex.waiting_on->cancel(why);
}

net::Task<void> Hedge::drop_second() {
  cancel_second(kSlower);
  while (!second_->outcome) co_await news_.wait(Instant::max());
  second_.reset();
}

// The second one takes its place, in what attempts() knows too.
net::Task<void> Hedge::end_first(Status outcome) {
  first_over_ = true;
  if (sending_ > 0) {
    (**first_).cancel(kSlower);
    while (sending_ > 0) co_await news_.wait(Instant::max());
  }
  any_sent_ = any_sent_ || (first_ && (**first_).any_sent());
  ex_.attempt->response_seconds = seconds(ex_.worker.loop.now() - ex_.try_begun);
  ex_.attempt->blameless = outcome.error().detail == kSlower.detail;
  note_outcome(ex_, in_flight_, outcome);
  first_.reset();
  in_flight_.swap(*second_->in_flight);
  second_->in_flight.reset();
  ex_.attempt = second_->ex.attempt;
  ex_.waiting_on = this;
}

// A step of the first one is over, while there is a second one.
net::Task<Status> Hedge::settle(Status first) {
  if (first && !second_->outcome) co_return first;  // both go on
  if (first) first = std::unexpected(kSlower);
  net::Task<void> ending = end_first(first);
  co_await ending;
  if (ex_.client_gone || ex_.given_up || ex_.passed != PassedDeadline::none) cancel_second(kClientLeft);
  while (!second_->outcome) co_await news_.wait(Instant::max());
  Status second = *second_->outcome;
  if (second) {
    take_over();
  } else {  // the last failure is the one that is told of
    ex_.note = std::move(second_->ex.note);
    if (!ex_.client_gone) ex_.reset_code = second_->ex.reset_code;
  }
  co_return second;
}

void Hedge::take_over() {
  Exchange& from = second_->ex;
  ex_.memory.response = from.memory.response;
  ex_.memory.joined.splice(ex_.memory.joined.end(), from.memory.joined);
  ex_.asked = asked_ = from.asked;
  ex_.try_begun = from.try_begun;
  ex_.note.clear();
  if (!ex_.client_gone) ex_.reset_code.reset();
  (**second_->lease).go_on_for(ex_);
  won_.emplace(std::move(*second_->lease));
  second_.reset();
  (is_wanted(ex_) ? ex_.worker.stats.hedges_won : ex_.worker.stats.hedges_failed).add();
}

net::Task<Status> Hedge::lease_first(bool fresh) {
  WorkerContext& worker = ex_.worker;
  ex_.asked = worker.loop.now();
  worker.loop.arm_at(*this, ex_.asked + ex_.settings->hedge_delay);
  waits_ = true;
  net::Task<Result<Lease>> leasing = lease(worker, ex_, in_flight_.endpoint(), fresh);
  Result<Lease> held = co_await leasing;
  waits_ = false;
  Status status{};
  if (held)
    first_.emplace(std::move(*held));
  else
    status = std::unexpected(held.error());
  if (!second_) co_return status;
  if (has_second()) {
    net::Task<Status> settling = settle(status);
    status = co_await settling;
  }
  failed_ = status;  // by way of the relay, which asks whether a pod has seen something
  co_return Status{};
}

net::Task<Status> Hedge::send_head(Exchange& ex, std::string_view body, bool whole) {
  if (!failed_ || !first_) co_return failed_;
  waits_ = true;
  net::Task<Status> sending = (**first_).send_head(ex, body, whole);
  Status status = co_await sending;
  waits_ = false;
  if (has_second()) {
    net::Task<Status> settling = settle(status);
    status = co_await settling;
  }
  co_return status;
}

net::Task<Status> Hedge::send_body(Chunk piece) {
  if (!first_ || first_over_) co_return Status{};
  ++sending_;
  net::Task<Status> sending = (**first_).send_body(piece);
  Status status = co_await sending;
  --sending_;
  if (first_over_) {
    news_.notify();
    status = Status{};
  }
  co_return status;
}

net::Task<Status> Hedge::read_head(Exchange& ex) {
  if (won_) {
    ex.asked = asked_;  // the relay takes it for a request that has just begun
    co_return Status{};
  }
  Status status{};
  for (std::uint32_t skipped = 0;;) {
    waits_ = true;
    if (std::exchange(late_, false)) {
      (**first_).hold();
      ask_another();
    }
    net::Task<Status> reading = (**first_).read_head(ex);
    status = co_await reading;
    waits_ = false;
    const int code = ex.memory.response.status;
    if (!has_second()) {
      if (!status || is_final(code)) disarm();
      co_return status;
    }
    if (!status || second_->outcome) break;
    if (!is_final(code)) {  // nobody gets it, as it may be the other one whose answer counts
      if (++skipped <= ex.options->max_interim_responses) continue;
      status = std::unexpected(kTooManyInterim);
      break;
    }
    if (is_wanted(ex)) {
      keep_head(ex, **first_);
      net::Task<void> dropping = drop_second();
      co_await dropping;
      co_return Status{};
    }
    note_head(ex);
    status = std::unexpected(kUnwanted);
    break;
  }
  net::Task<Status> settling = settle(status);
  status = co_await settling;
  co_return status;
}

void Hedge::cancel(Error why) noexcept {
  disarm();
  if (Upstream* const one = upstream()) one->cancel(why);
  cancel_second(why);
}

void Hedge::release(bool clean) noexcept {
  const std::unique_ptr<Hedge> self(this);
  for (auto* lease : {&first_, &won_})
    if (clean && *lease) (*lease)->give_back();
}

}  // namespace

bool may_be_hedged(const Exchange& ex) noexcept {
  const ClusterRuntime& cluster = *ex.cluster;
  if (ex.hedged || ex.tunnel || ex.of_ours || cluster.takers() < 2 || ex.record.attempts >= kMaxAttempts) return false;
  // A session's data is at its pod.
  if (cluster.policy().key == PolicyRow::Key::session) return false;
  return ex.settings->retry_on.has(model::RetryOn::timeout) && repeatable(ex);
}

net::Task<Result<Lease>> lease_hedged(Exchange& ex, AttemptInFlight& in_flight, bool fresh) {
  if (ex.options->retry_budget_percent == 0 && ex.tries <= 1 && !fresh) ex.cluster->budget.asked(ex.worker.loop.now());
  auto hedge = std::make_unique<Hedge>(ex, in_flight);
  net::Task<Status> leasing = hedge->lease_first(fresh);
  Status leased = co_await leasing;
  if (!leased) co_return std::unexpected(leased.error());
  co_return Lease(*hedge.release());
}

}  // namespace sluice::data
