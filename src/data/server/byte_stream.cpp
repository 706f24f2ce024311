#include "data/server/byte_stream.h"

#include <algorithm>
#include <utility>

#include "base/seconds.h"
#include "data/runtime/pool.h"
#include "data/server/shedding.h"
#include "data/server/worker.h"
#include "data/upstream/dial.h"
#include "data/upstream/proxy_out.h"

namespace sluice::data {

namespace {

// A connection to it is gone.
void leave(EndpointRuntime& endpoint) {
  --endpoint.connections;
  endpoint.load.end();
  slot_free(endpoint);
}

}  // namespace

ByteStream::ByteStream(Connection& connection, ClusterRuntime* cluster, const Terms& terms)
    : connection_(connection),
      worker_(connection.worker),
      view_(worker_.view()),
      cluster_(cluster),
      terms_(terms),
      begun_(worker_.loop.now()) {
  view_->pin();
  if (cluster_) cluster_->pin();
}

ByteStream::~ByteStream() {
  let_go();
  pod_.reset();
  if (endpoint_) leave(*endpoint_);
}

void ByteStream::let_go() noexcept {
  if (cluster_) std::exchange(cluster_, nullptr)->unpin();
  if (view_) std::exchange(view_, nullptr)->unpin();
}

void ByteStream::kill() noexcept {
  killed_ = true;
  if (pod_) pod_->cancel(kDrainedTooLong);
  connection_.stream.cancel(kDrainedTooLong);
}

void ByteStream::holdings(Holdings& out) noexcept {
  auto& client = connection_.stream;
  const auto since = client.waits_to_write();
  if (!since) return;
  const std::size_t bytes = 2 * cost::kConnection + client.held() + (pod_ ? pod_->held() : 0);
  out.add({Holding::Kind::slow, bytes, *since, &client, &client});
}

net::Task<void> ByteStream::run() {
  Status connected = co_await connect();
  let_go();
  if (connected) {
    co_await carry(worker_, connection_.stream, *pod_, terms_.limits, carried_);
    // A reset is passed on as one: what is cut short must not look whole.
    if (carried_.pod_broke) connection_.stream.abort_on_close();
    if (carried_.client_broke) pod_->abort_on_close();
  }
  finish(connected);
}

// A pod that takes the connection, and the PROXY header where one is wanted.
net::Task<Status> ByteStream::connect() {
  if (Status may = may_begin(); !may) co_return may;
  if (!cluster_) co_return std::unexpected(upstream(Fault::no_endpoints, 503, "no Service behind it"));
  std::vector<std::uint32_t> tried;
  const auto most = std::min(terms_.tries ? terms_.tries : kMostTries, kMostTries);
  Status outcome{};
  std::uint32_t gone = 0;  // pods that went meanwhile, which were not tried
  for (std::uint32_t i = 0; i < most && !killed_; ++i) {
    const auto asked = static_cast<std::ptrdiff_t>(tried.size());
    auto next = cluster_->pick(tried);
    if (!next) co_return std::unexpected(upstream(Fault::no_endpoints, 503, "no endpoint takes connections"));
    const auto former = tried.begin() + asked;
    if (terms_.each_pod_once && std::find(tried.begin(), former, next->load.id) != former) break;
    Attempt& attempt = record_.attempt[std::min(record_.attempts, kMaxAttempts - 1)];
    attempt = Attempt{};
    record_.attempts = std::min(record_.attempts + 1, kMaxAttempts);
    next->text.copy(attempt.address, sizeof attempt.address - 1);
    endpoint_ = std::move(next);
    ++endpoint_->connections;
    endpoint_->load.begin();
    const Instant begun = worker_.loop.now();
    outcome = co_await try_endpoint(attempt);
    judge(outcome, begun);
    if (outcome) break;
    pod_.reset();
    leave(*endpoint_);
    endpoint_.reset();
    if (outcome.error().retry == Retry::elsewhere && !killed_ && ++gone <= kMostTries) {
      --record_.attempts;
      --i;
      continue;
    }
    if (terms_.tries_timeout.count() > 0 && worker_.loop.now() - begun_ >= terms_.tries_timeout) break;
  }
  co_return outcome;
}

net::Task<Status> ByteStream::try_endpoint(Attempt& attempt) {
  const Instant begun = worker_.loop.now();
  const auto limit = worker_.options().upstream_max_connections;
  if (limit && endpoint_->connections > limit)
    co_return std::unexpected(upstream(Fault::overload, 503, "upstream-max-connections is reached"));
  Result<int> fd = open_socket(worker_, *endpoint_);
  if (!fd) co_return std::unexpected(fd.error());
  pod_ = std::make_unique<net::Stream>(worker_.loop, *fd, Whose::upstream, false);
  if (!pod_->registered()) co_return std::unexpected(kUnwatched);
  Dial how;
  how.proxy_header = proxy_header(connection_.peer, terms_.proxy_header);
  const Connecting known(*endpoint_, *pod_);
  net::Task<Status> dialling = dial(worker_, *pod_, std::move(how), net::due_in(begun, terms_.connect_timeout), note_);
  Status connected = co_await dialling;
  if (connected) attempt.connect_seconds = seconds(worker_.loop.fresh_now() - begun);
  co_return connected;
}

// What all workers learn of the pod's health, as from requests. Of bytes that are not ours to read a connection that it
// takes is an answer.
void ByteStream::judge(const Status& outcome, Instant begun) {
  const auto& options = worker_.options();
  if (options.outlier_consecutive_failures == 0) return;
  if (outcome) return cluster_->succeeded(*endpoint_, begun);
  const Error& why = outcome.error();
  if (why.whose != Whose::upstream || why.retry == Retry::elsewhere) return;
  if (why.fault == Fault::cancelled || why.fault == Fault::overload) return;  // by us
  cluster_->failed(*endpoint_, why.fault == Fault::unreachable, options);
}

// A line of the access log in the form of streams, and one of the program log when no pod was reached.
void ByteStream::finish(Status outcome) {
  auto& r = record_;
  const Duration life = worker_.loop.fresh_now() - begun_;
  r.stream = true;
  const std::uint16_t says = outcome ? 200 : outcome.error().status;
  r.status = outcome                                        ? std::uint16_t{200}
             : says == 508                                  ? std::uint16_t{508}
             : outcome.error().fault == Fault::no_endpoints ? std::uint16_t{503}
                                                            : std::uint16_t{502};
  if (!outcome) {
    r.reason = outcome.error().detail;
    r.note = note_;
    r.ours = outcome.error().fault != Fault::cancelled;
  }
  r.remote_address = connection_.peer.address;
  r.remote_port = connection_.peer.port;
  r.server_port = connection_.peer.local_port;
  r.proxy = connection_.peer.proxy.get();
  r.request_length = carried_.up;
  r.bytes_sent = carried_.down;
  r.request_seconds = seconds(life);
  r.wall_ms = worker_.wall_ms();
  describe(r);
  over(outcome, carried_, life);
  worker_.recorder.finished(r);
}

}  // namespace sluice::data
