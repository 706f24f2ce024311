#include "data/proxy/health_question.h"

#include <algorithm>

#include "data/proxy/grpc.h"
#include "data/proxy/grpc_health.h"
#include "data/proxy/relay.h"
#include "data/upstream/lease.h"

namespace sluice::data {

namespace {

using Kind = CheckOutcome::Kind;
using model::BackendProtocol;
using model::CheckBy;

constexpr std::string_view kUserAgent = "sluice-health-check";
constexpr std::uint64_t kMostHead = 32 * 1024;
constexpr Duration kGrace = std::chrono::milliseconds(150);  // more than a deadline may be late

std::string seconds_text(model::Millis t) {
  const auto ms = t.count();
  return ms % 1000 == 0 ? std::to_string(ms / 1000) + " s" : std::to_string(ms) + " ms";
}

std::string_view word_of(std::uint64_t serving) noexcept {
  constexpr std::string_view kWords[] = {"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"};
  return serving < std::size(kWords) ? kWords[serving] : "a status that is none";
}

}  // namespace

model::RouteSettings way_of(const model::HealthCheck& check, BackendProtocol of_cluster) {
  using enum BackendProtocol;
  const BackendProtocol spoken = check.protocol.value_or(of_cluster);
  const bool tls = spoken == https || spoken == grpcs;
  model::RouteSettings way;
  if (check.by == CheckBy::grpc)
    way.protocol = tls ? grpcs : grpc;
  else if (check.by == CheckBy::tcp)
    way.protocol = tls ? https : http;  // a connection, and the handshake of one that has TLS
  else
    way.protocol = spoken == auto_http || spoken == fcgi ? http : spoken;
  way.upstream_tls = check.tls;
  way.connect_timeout = way.send_timeout = way.read_timeout = check.timeout;
  way.response_head_limit = kMostHead;
  way.connection_field = model::ConnectionField::close;
  return way;
}

HealthQuestion::HealthQuestion(WorkerContext& worker, ClusterRuntime& cluster,
                               std::shared_ptr<EndpointRuntime> endpoint, const model::HealthCheck& check,
                               const model::RouteSettings& way)
    : worker_(worker),
      view_(worker.view()),
      cluster_(cluster),
      endpoint_(std::move(endpoint)),
      check_(check),
      memory_(worker),
      ex_(worker, nobody_, peer_, *memory_) {
  using net::http::Name;
  view_->pin();
  cluster_.pin();
  late_.question = this;
  const bool grpc = check.by == CheckBy::grpc;
  const std::string_view host = check.host.empty() ? std::string_view(endpoint_->text) : check.host;
  auto& head = memory_->request;
  head.clear();
  if (grpc) {
    body_ = grpc_health_question(check.service);
    head.fields.add() = {"content-type", "application/grpc", Name::content_type, false};
    head.names.add(Name::content_type);
  }
  fields_ = {{"Host", host, Name::host, false},
             {"User-Agent", kUserAgent, Name::user_agent, false},
             {"Accept", grpc ? std::string_view() : std::string_view("*/*"), Name::other, false},
             {"Connection", "close", Name::connection, false}};
  make_ours(
      ex_, {cluster_, way, grpc ? "POST" : "GET", grpc ? kGrpcHealthPath : std::string_view(check.path), host, fields_},
      *view_->snapshot().options);
  if (!grpc) return;
  ex_.grpc = true;
  head.framing = net::http::Framing::chunked;  // calls announce no length
  ex_.body = body_;
}

HealthQuestion::~HealthQuestion() {
  cluster_.unpin();
  view_->unpin();
}

void HealthQuestion::Late::expired() {
  question->passed_ = true;
  if (question->ex_.waiting_on != nullptr)
    question->ex_.waiting_on->cancel(Error{Fault::timeout, Whose::upstream, Retry::no, 0, "a check took too long"});
}

void HealthQuestion::cancel() noexcept {
  ex_.client_gone = true;
  if (ex_.waiting_on != nullptr)
    ex_.waiting_on->cancel(Error{Fault::cancelled, Whose::internal, Retry::no, 0, "it is not checked any more"});
}

CheckOutcome HealthQuestion::failed(const Error& error, bool connected) const {
  if (ex_.client_gone) return {};
  if (passed_ || error.fault == Fault::timeout || error.fault == Fault::connect_timeout)
    return {Kind::timeout,
            std::string(connected ? "no answer" : "no connection") + " within " + seconds_text(check_.timeout)};
  if (error.whose == Whose::internal || error.fault == Fault::overload || error.fault == Fault::cancelled)
    return {Kind::skipped, error.detail};
  std::string reason = error.detail;
  if (!ex_.note.empty()) reason.append(": ").append(ex_.note);
  if (error.fault == Fault::tls) return {Kind::tls, std::move(reason)};
  return {connected ? Kind::broken : Kind::unconnected, std::move(reason)};
}

net::Task<CheckOutcome> HealthQuestion::ask() {
  // Whoever waits for a place or a connection gives up by himself, and says which of both it was.
  const Instant until = worker_.loop.now() + check_.timeout;
  worker_.loop.arm_at(late_, until + kGrace);
  ex_.attempt = &attempt_;
  net::Task<Result<Lease>> leasing = lease(worker_, ex_, endpoint_, true);
  Result<Lease> held = co_await leasing;
  CheckOutcome out;
  if (!held) {
    out = failed(held.error(), false);
  } else if (check_.by == CheckBy::tcp) {
    out.kind = Kind::well;
  } else {
    worker_.loop.arm_at(late_, until);
    net::Task<CheckOutcome> conversing = converse(**held);
    out = co_await conversing;
  }
  late_.disarm();
  co_return out;
}

net::Task<CheckOutcome> HealthQuestion::converse(Upstream& up) {
  ex_.waiting_on = &up;
  CheckOutcome out;
  net::Task<Status> asking = ask_whole(ex_, up);
  Status s = co_await asking;
  const int status = memory_->response.status;
  if (!s) {
    out = failed(s.error(), true);
  } else if (check_.by == CheckBy::grpc) {
    net::Task<CheckOutcome> answering = read_grpc_answer(up);
    out = co_await answering;
  } else {
    const bool expected = std::ranges::any_of(
        check_.expect, [&](const model::StatusRange& r) { return status >= r.first && status <= r.last; });
    out.kind = expected ? Kind::well : Kind::status;
    if (!expected) out.reason = "status " + std::to_string(status);
    // A connection that is closed with bytes unread is a reset, which pods take for an error.
    net::Task<Status> reading = read_rest(up);
    Status rest = co_await reading;
    if (expected && !rest) out = failed(rest.error(), true);
  }
  ex_.waiting_on = nullptr;
  co_return out;
}

net::Task<Status> HealthQuestion::read_rest(Upstream& up) {
  std::size_t read = 0;
  while (read < KeptAnswer::kMostDropped && !up.body().ended()) {
    net::Task<Result<Chunk>> reading = up.body().read(16 * 1024);
    Result<Chunk> piece = co_await reading;
    if (!piece) co_return std::unexpected(piece.error());
    if (piece->last) break;
    read += piece->data.size();
  }
  co_return Status{};
}

net::Task<CheckOutcome> HealthQuestion::read_grpc_answer(Upstream& up) {
  const auto& response = memory_->response;
  if (response.status != 200) {
    CheckOutcome out{Kind::status, "status " + std::to_string(response.status)};
    co_return out;
  }
  if (!is_grpc(response.fields)) {
    CheckOutcome out{Kind::broken, "an answer that is none of gRPC"};
    co_return out;
  }
  int code = find_grpc_status(response.fields);  // where there is no message it stands in the head
  std::string message;
  for (bool last = false; !last;) {
    net::Task<Result<Chunk>> reading = up.body().read(16 * 1024);
    Result<Chunk> piece = co_await reading;
    if (!piece) {
      if (code > 0) break;
      CheckOutcome out = failed(piece.error(), true);
      co_return out;
    }
    if (message.size() + piece->data.size() > kMostHealthAnswer) {
      CheckOutcome out{Kind::broken, "an answer that is too long"};
      co_return out;
    }
    message += piece->data;
    last = piece->last;
    if (last && code < 0) code = find_grpc_status(piece->trailers);
  }
  CheckOutcome out;
  const auto serving = grpc_health_answer(message);
  if (code != 0) {
    out.kind = Kind::not_serving;
    out.reason = code < 0 ? "no grpc-status" : "grpc-status " + std::to_string(code);
  } else if (!serving) {
    out.kind = Kind::broken;
    out.reason = "an answer that is no HealthCheckResponse";
  } else if (*serving != kGrpcServing) {
    out.kind = Kind::not_serving;
    out.reason = "it says " + std::string(word_of(*serving));
  } else {
    out.kind = Kind::well;
  }
  co_return out;
}

}  // namespace sluice::data
