#include "data/proxy/relay.h"

#include "base/seconds.h"
#include "data/plan/plan.h"
#include "data/proxy/ahead.h"
#include "data/proxy/disk.h"
#include "data/proxy/elsewhere.h"
#include "data/proxy/error_page.h"
#include "data/proxy/grpc.h"
#include "data/proxy/logged_values.h"
#include "data/proxy/pacing.h"
#include "data/proxy/request_body.h"
#include "data/proxy/response_body.h"
#include "data/proxy/retry.h"
#include "data/proxy/tunnel.h"
#include "data/runtime/worker_context.h"
#include "net/io/signal.h"

namespace sluice::data {

namespace {

using net::http::Framing;

// What a small body has sent so far is kept, so that another pod can have it: of calls of gRPC, as pods refuse streams
// by GOAWAY in every rollout, and of requests that may be sent twice.
bool keeps(const Exchange& ex) noexcept {
  return ex.grpc || (ex.head().framing == Framing::length && ex.head().content_length <= kKeptOfCall && repeatable(ex));
}

void keep_for_retry(Exchange& ex, const Chunk& piece) {
  auto& kept = ex.memory.collected;
  if (ex.body_touched) return;
  if (kept.size() + piece.data.size() > kKeptOfCall || !piece.trailers.empty()) {
    send_once(ex);
    return;
  }
  kept += piece.data;
  ex.body = kept;
  ex.body_whole = piece.last;
}

// Has the pod had its time (proxy-send-timeout)? Then it is given up, as in nginx, unless it has begun to answer.
Status given(Upstream& up, Status sent) {
  if (!sent && sent.error().fault == Fault::timeout && sent.error().whose == Whose::upstream && !up.any_received())
    up.cancel(sent.error());
  return sent;
}

// From the beginning, whoever had some of it before.
net::Task<Status> pump_from_disk(Exchange& ex, Upstream& up) {
  const std::shared_ptr<DiskBody> body = ex.on_disk;
  std::string piece;
  net::ShareOfTurn share(ex.worker.loop);
  std::size_t taken = 0;
  for (std::uint64_t at = 0; at < body->size();) {
    net::Task<Status> reading = take_from_disk(ex, body, at, body->size(), piece);
    Status read = co_await reading;
    if (!read) {
      up.cancel(read.error());
      co_return read;
    }
    for (std::string_view left = piece; !left.empty();) {  // no more at once than the pod takes
      const auto part = left.substr(0, up.room(taken));
      left.remove_prefix(part.size());
      taken = part.size();
      at += taken;
      const bool last = at == body->size();
      const Chunk next{part, last, last ? ex.trailers : std::string_view{}};
      Status sent = co_await up.send_body(next);
      if (!sent) co_return given(up, sent);
      if (share.used_up(taken)) {
        net::EndOfTurn others(ex.worker.loop);
        co_await others;
      }
    }
  }
  co_return Status{};
}

// The request body on its way up. A fault of the client ends the whole attempt; a pod that takes no more does not: its
// answer (a 413, say) may already be under way; but for one that takes nothing for as long as it may.
net::Task<Status> pump_request(Exchange& ex, Upstream& up) {
  if (ex.on_disk) [[unlikely]] {
    net::Task<Status> pumping = pump_from_disk(ex, up);
    Status pumped = co_await pumping;
    co_return pumped;
  }
  if (ex.body_whole) {  // and has trailers, or has left with the head but for what the pod did not take at once
    const Chunk rest{ex.trailers.empty() ? std::string_view{} : ex.body, true, ex.trailers};
    Status s = co_await up.send_body(rest);
    co_return given(up, s);
  }
  if (!keeps(ex)) send_once(ex);
  if (!ex.body.empty()) {  // collected before it grew too large, or kept from the attempt before
    Status s = co_await up.send_body(Chunk{ex.body, false, {}});
    if (!s) co_return given(up, s);
  }
  net::ShareOfTurn share(ex.worker.loop);
  for (std::size_t taken = 0;;) {
    if (share.used_up(taken)) {
      net::EndOfTurn others(ex.worker.loop);
      co_await others;
    }
    ex.awaits_client = true;
    Result<Chunk> piece = co_await next_request_piece(ex, up.room(taken));
    ex.awaits_client = false;
    if (!piece) {
      if (piece.error().fault != Fault::cancelled) up.cancel(piece.error());
      co_return std::unexpected(piece.error());
    }
    const bool last = piece->last;
    taken = piece->data.size();
    keep_for_retry(ex, *piece);
    Status s = co_await up.send_body(*piece);
    if (!s) co_return given(up, s);
    moved_on(ex, ex.worker.loop.now());
    if (last) co_return Status{};
  }
}

// An interim head is passed on, unless it is a 100, which is ours to give. `count`: how many there were, this one
// included.
net::Task<Status> pass_interim(Exchange& ex, Upstream& up, std::uint32_t count) {
  auto& response = ex.memory.response;
  if (count > ex.options->max_interim_responses) co_return std::unexpected(kTooManyInterim);
  if (response.status == 100) co_return Status{};
  // The head's views point behind the bytes that the next read will overwrite: serialised before anything waits.
  up.hold();
  Status passed = co_await ex.down.interim(response.status, response.fields.all());
  co_return passed;
}

Status may_switch(const Exchange& ex) {
  if (ex.tunnel) return switched_as_offered(ex);
  return std::unexpected(kSwitchesUnasked);
}

constexpr Error kUnwanted{Fault::none, Whose::upstream, Retry::answered, 502, "a status of proxy-next-upstream"};

constexpr Error kIntercepted{Fault::none, Whose::upstream, Retry::no, 502, "a status of custom-http-errors"};

constexpr Error kElsewhere{Fault::none, Whose::upstream, Retry::no, 502, "the pod names another path"};

// What is known of the pod's part once it is over.
void note_pod(Exchange& ex, const Upstream& up) {
  ex.pod_saw_it = up.any_sent();
  ex.attempt->response_bytes = up.body_bytes();
  ex.attempt->received_bytes = up.bytes_received();
  ex.attempt->response_seconds = seconds(ex.worker.loop.now() - ex.try_begun);
}

// No head came. One that came and cannot be read is asked for again where the route says so.
Status unreadable_head(Error why) {
  if (why.whose == Whose::upstream && (why.fault == Fault::malformed || why.fault == Fault::too_large))
    why.retry = Retry::yes;
  return std::unexpected(why);
}

// A pod may switch before it has read the whole request, which goes first (RFC 9110 section 7.8). The head of its 101
// is kept meanwhile.
net::Task<Status> rest_of_request(Exchange& ex, Upstream& up, net::Fork<Status>& request) {
  if (request.done()) co_return request.value();
  keep_head(ex, up);
  Status sent = co_await request.join();
  co_return sent;
}

// `lease`: of `up`; given back early where the pod's part is over before the client's.
net::Task<Status> pump_response(Exchange& ex, Lease& lease, net::Fork<Status>* request) {
  Upstream& up = *lease;
  auto& response = ex.memory.response;
  Status s = co_await up.read_head(ex);
  for (std::uint32_t interim = 0; s && !is_final(response.status);) {
    s = co_await pass_interim(ex, up, ++interim);
    if (s) s = co_await up.read_head(ex);
  }
  if (s && response.status == 101) s = may_switch(ex);
  if (!s) {
    s = unreadable_head(s.error());
    co_return s;
  }
  if (ex.wanted) [[unlikely]]
    note_pod_fields(ex);
  Attempt& attempt = *ex.attempt;
  attempt.status = static_cast<std::uint16_t>(response.status);
  const Instant now = ex.worker.loop.now();
  attempt.header_seconds = seconds(now - ex.try_begun);
  if (ex.awaited_at != nullptr) [[unlikely]] {
    ClusterRuntime& cluster = *std::exchange(ex.awaited_at, nullptr);
    cluster.adaptive.answered(seconds(now - ex.asked), cluster.awaited);
    --cluster.awaited;
  }
  if (ex.grpc) {
    if (response.status != 200 && !is_grpc(response.fields))
      co_return std::unexpected(Error{Fault::malformed, Whose::upstream, Retry::no, attempt.status,
                                      "the pod answered a gRPC call with an error of HTTP"});
    ex.record.grpc_status = static_cast<std::int16_t>(find_grpc_status(response.fields));
  }
  if (may_retry_over(ex, response.status)) {
    s = std::unexpected(kUnwanted);
    co_return s;
  }
  if (response.status >= 400 && intercepts(ex, response.status)) [[unlikely]] {
    note_intercepted(ex);
    s = std::unexpected(kIntercepted);
    co_return s;
  }
  if (ex.options->exact && response.status != 101 && !ex.grpc && !ex.of_ours && leads_elsewhere(ex)) [[unlikely]] {
    s = std::unexpected(kElsewhere);
    co_return s;
  }
  if (response.status == 101) {
    Status sent{};
    if (request) sent = co_await rest_of_request(ex, up, *request);
    if (!sent) co_return sent;
    Status t = co_await tunnel(ex, up);
    co_return t;
  }
  // To an extended CONNECT any 2xx would mean that the tunnel is open (RFC 8441 section 5).
  if (ex.tunnel && ex.head().major == 2 && response.status / 100 == 2)
    co_return std::unexpected(
        Error{Fault::unsupported, Whose::upstream, Retry::no, 502, "the pod does not switch protocols"});
  BodySource& plain = ex.transform ? ex.transform->response(ex, up.body()) : up.body();
  const bool ahead = is_buffered(ex, response.fields.all());
  ResponseStart start;
  start.status = response.status;
  start.reason = response.reason;
  start.fields = response.fields.all();
  start.framing = response.framing;
  start.content_length = response.content_length;
  start.from_pod = true;
  ex.record.status = attempt.status;
  const Result<std::unique_ptr<BodySource>> formed = form_response(ex, start, plain);
  if (!formed) co_return std::unexpected(formed.error());
  BodySource& body = *formed ? **formed : plain;
  Result<Chunk> first = body.take(ex.down.room(0));
  if (!first) co_return std::unexpected(first.error());
  std::unique_ptr<Pacing> pacing;
  if (ahead) [[unlikely]]
    pacing = pace(ex, start);
  if (pacing) *first = pacing->first(*first, head_size(start));
  // An answer before the client has sent all: its connection cannot be trusted to find the next request.
  if (request && !request->done() && !ex.body_whole) ex.close_after = true;
  ex.tunnel = false;
  const bool last = first->last;
  const std::size_t taken = first->data.size();
  note_trailers(ex, *first);
  s = co_await ex.down.start(ex, start, *first);
  if (!s || last) co_return s;
  if (ahead) [[unlikely]] {
    // Once all of it is here the pod has done its part: its connection is for others then.
    const std::function<void()> over = [&] {
      if (request != nullptr && !request->done()) return;
      note_pod(ex, up);
      ex.waiting_on = nullptr;
      lease.give_back();
    };
    net::Task<Status> rest = send_ahead(ex, body, over, pacing.get());
    s = co_await rest;
    co_return s;
  }
  net::Task<Status> rest = send_rest(ex, body, taken);
  s = co_await rest;
  co_return s;
}

}  // namespace

void keep_head(Exchange& ex, Upstream& up) {
  up.hold();
  auto& response = ex.memory.response;
  response.reason = ex.memory.joined.emplace_back(response.reason);
  for (auto& f : response.fields.all()) {
    f.name = ex.memory.joined.emplace_back(f.name);
    f.value = ex.memory.joined.emplace_back(f.value);
  }
}

net::Task<Status> ask_whole(Exchange& ex, Upstream& up) {
  up.begin(ex);
  net::Task<Status> sending = up.send_head(ex, ex.body, true);
  Status status = co_await sending;
  if (status && !up.request_left()) {
    net::Task<Status> rest = up.send_body(Chunk{{}, true, {}});
    status = co_await rest;
  }
  for (std::uint32_t interim = 0; status; ++interim) {
    net::Task<Status> reading = up.read_head(ex);
    status = co_await reading;
    if (!status || is_final(ex.memory.response.status)) break;
    if (interim >= ex.options->max_interim_responses) status = std::unexpected(kTooManyInterim);
  }
  co_return status;
}

net::Task<Status> relay(Exchange& ex, Lease lease) {
  Upstream& up = *lease;
  up.begin(ex);
  ex.asked = ex.worker.loop.now();
  ex.waiting_on = &up;
  const bool whole = ex.body_whole && ex.trailers.empty() && !ex.on_disk;
  Status outcome = co_await up.send_head(ex, whole ? ex.body : std::string_view{}, whole);
  if (outcome && whole && up.request_left()) {
    outcome = co_await pump_response(ex, lease, nullptr);
  } else if (outcome) {
    net::Fork<Status> request(pump_request(ex, up));
    outcome = co_await pump_response(ex, lease, &request);
    if (!request.done()) {
      // The rest of a whole one is ours to give; of another, whoever is asked next gets what is kept, and the rest.
      if (!ex.body_whole && (outcome || outcome.error().retry != Retry::answered)) {
        ex.close_after = true;
        ex.body_touched = true;
        ex.down.body().stop();
      }
      up.cancel(Error{Fault::cancelled, Whose::internal, Retry::no, 0, "the response is over"});
    }
    Status sent = co_await request.join();
    // The client's own fault is the better reason than what it caused on the other side, and so is our disk's, and that
    // the pod took nothing. That its body is not wanted any more is none.
    const bool reason =
        !sent && (sent.error().whose != Whose::upstream ? sent.error().fault != Fault::cancelled
                                                        : sent.error().fault == Fault::timeout && !up.any_received());
    if (!outcome && reason) outcome = sent;
  }
  ex.waiting_on = nullptr;
  if (!lease.held()) co_return outcome;
  note_pod(ex, up);
  if (outcome) lease.give_back();
  co_return outcome;
}

}  // namespace sluice::data
