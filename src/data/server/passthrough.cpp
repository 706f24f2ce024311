#include "data/server/passthrough.h"

#include <algorithm>
#include <utility>

#include "data/proxy/local_reply.h"
#include "data/server/shedding.h"
#include "data/server/worker.h"
#include "data/upstream/dial.h"
#include "data/upstream/pool.h"
#include "data/upstream/proxy_out.h"

namespace sluice::data {

namespace {

constexpr std::uint32_t kMostTries = 16;

// A connection to it is gone.
void leave(EndpointRuntime& endpoint) {
  --endpoint.connections;
  --endpoint.load.in_flight;
  slot_free(endpoint);
}

Error upstream(Fault fault, std::uint16_t status, const char* detail) {
  return Error{fault, Whose::upstream, Retry::yes, status, detail};
}

}  // namespace

Passthrough::Passthrough(Connection& connection, const Route& route, const net::tls::ClientHello& hello)
    : connection_(connection),
      worker_(connection.worker),
      view_(worker_.view()),
      cluster_(worker_.cluster(route.cluster)),
      settings_(route.settings),
      options_(view_->snapshot().options.get()),
      hello_(hash_name(worker_.shared.loop_seed, hello.random)),
      came_back_(worker_.shared.hellos && !worker_.shared.hellos->enter(hello_)),
      server_name_(hello.server_name),
      ns_(route.spec->ns.view()),
      ingress_(route.spec->ingress.view()),
      service_(route.spec->service.view()),
      service_port_(route.spec->service_port.view()),
      upstream_name_(route.spec->upstream_name.view()),
      begun_(worker_.loop.now()) {
  view_->pin();
  if (cluster_) cluster_->pin();
  record_.log = settings_->access_log;
  worker_.stats.passthrough.add();
  worker_.stats.passthrough_active.add();
}

Passthrough::~Passthrough() {
  let_go();
  pod_.reset();
  if (endpoint_) leave(*endpoint_);
  if (worker_.shared.hellos && !came_back_) worker_.shared.hellos->leave(hello_);
  worker_.stats.passthrough_active.sub();
}

void Passthrough::let_go() noexcept {
  if (cluster_) std::exchange(cluster_, nullptr)->unpin();
  if (view_) std::exchange(view_, nullptr)->unpin();
}

void Passthrough::kill() noexcept {
  killed_ = true;
  if (pod_) pod_->cancel(kDrainedTooLong);
  connection_.stream.cancel(kDrainedTooLong);
}

void Passthrough::holdings(Holdings& out) noexcept {
  auto& client = connection_.stream;
  const auto since = client.waits_to_write();
  if (!since) return;
  const std::size_t bytes = 2 * cost::kConnection + client.held() + (pod_ ? pod_->held() : 0);
  out.add({Holding::Kind::slow, bytes, *since, &client, &client});
}

net::Task<void> Passthrough::run() {
  const TunnelLimits limits{options_->tunnel_idle_timeout, options_->tunnel_max_lifetime};
  Status connected = co_await connect();
  let_go();
  if (connected) co_await carry(worker_, connection_.stream, *pod_, limits, carried_);
  finish(connected);
}

// A pod that takes the connection, and the PROXY header where its Service asks for one.
net::Task<Status> Passthrough::connect() {
  if (came_back_) {
    worker_.stats.loops.add();
    co_return std::unexpected(upstream(Fault::unsupported, 508, "the connection has come back: its host leads to us"));
  }
  if (!cluster_) co_return std::unexpected(upstream(Fault::no_endpoints, 503, "no Service behind the host"));
  std::vector<std::uint32_t> tried;
  const auto most = settings_->tries ? settings_->tries : kMostTries;
  Status outcome{};
  for (std::uint32_t i = 0; i < most && !killed_; ++i) {
    auto next = cluster_->pick(tried);
    if (!next) co_return std::unexpected(upstream(Fault::no_endpoints, 503, "no endpoint takes connections"));
    Attempt& attempt = record_.attempt[std::min(record_.attempts, kMaxAttempts - 1)];
    attempt = Attempt{};
    record_.attempts = std::min(record_.attempts + 1, kMaxAttempts);
    next->text.copy(attempt.address, sizeof attempt.address - 1);
    endpoint_ = std::move(next);
    ++endpoint_->connections;
    ++endpoint_->load.in_flight;
    outcome = co_await try_endpoint(attempt);
    if (outcome) break;
    pod_.reset();
    leave(*endpoint_);
    endpoint_.reset();
  }
  co_return outcome;
}

net::Task<Status> Passthrough::try_endpoint(Attempt& attempt) {
  const Instant begun = worker_.loop.now();
  const auto limit = options_->upstream_max_connections;
  if (limit && endpoint_->connections > limit)
    co_return std::unexpected(upstream(Fault::overload, 503, "upstream-max-connections is reached"));
  Result<int> fd = open_socket(worker_, *endpoint_);
  if (!fd) co_return std::unexpected(fd.error());
  pod_ = std::make_unique<net::Stream>(worker_.loop, *fd, Whose::upstream, false);
  if (!pod_->registered()) co_return std::unexpected(kUnwatched);
  Dial how;
  how.proxy_header = proxy_header(connection_.peer, cluster_->spec().proxy_protocol);
  net::Task<Status> dialling = dial(worker_, *pod_, std::move(how), begun + settings_->connect_timeout, note_);
  Status connected = co_await dialling;
  attempt.connect_seconds = std::chrono::duration<float>(worker_.loop.fresh_now() - begun).count();
  co_return connected;
}

// A line of the access log in the form of streams, and one of the program log when no pod was reached.
void Passthrough::finish(Status outcome) {
  auto& r = record_;
  r.stream = true;
  r.status = outcome                                        ? std::uint16_t{200}
             : came_back_                                   ? std::uint16_t{508}
             : outcome.error().fault == Fault::no_endpoints ? std::uint16_t{503}
                                                            : std::uint16_t{502};
  if (!outcome) {
    worker_.stats.passthrough_failures.add();
    r.reason = outcome.error().detail;
    r.ours = outcome.error().fault != Fault::cancelled;
  }
  r.remote_address = connection_.peer.address;
  r.remote_port = connection_.peer.port;
  r.proxy = connection_.peer.proxy.get();
  r.host = r.server_name = server_name_;
  r.ns = ns_;
  r.ingress = ingress_;
  r.service = service_;
  r.service_port = service_port_;
  r.upstream_name = upstream_name_;
  r.request_length = carried_.up;
  r.bytes_sent = carried_.down;
  r.request_seconds = std::chrono::duration<float>(worker_.loop.fresh_now() - begun_).count();
  r.wall_ms = worker_.wall_ms();
  worker_.recorder.finished(r);
}

net::Task<Status> Connection::look_at_hello(Instant until) {
  using net::tls::ClientHelloReader;
  using net::tls::Io;
  ClientHelloReader reader;
  std::size_t seen = 0;
  while (reader.state() == ClientHelloReader::State::more) {
    char* const bytes = worker.scratch.get();
    const auto r = stream.peek(bytes, ClientHelloReader::kMaxBytes, seen);
    if (r.io == Io::done) {
      reader.feed({bytes + seen, r.bytes - seen});
      seen = r.bytes;
      continue;
    }
    if (r.io != Io::again_read) co_return std::unexpected(stream.error(Fault::closed, "closed in the ClientHello"));
    Status ready = co_await stream.readable(until);
    if (!ready) co_return ready;
  }
  // What is no ClientHello, or none that we read, is OpenSSL's to refuse; so are names that are not passed through.
  const std::string& name = reader.hello().server_name;
  if (name.empty()) co_return Status{};
  const Route* route = worker.view()->snapshot().routes->root(name);
  if (!route || !route->passthrough) co_return Status{};
  if (route->plan != nullptr) {
    std::array<std::uint8_t, 16> client;
    std::copy_n(peer.bytes, client.size(), client.begin());
    for (const auto& entry : (*route->plan)[Phase::guard])
      if (!entry.step->admits(client)) co_return std::unexpected(stream.error(Fault::closed, "a client who is denied"));
  }
  protocol_ = std::make_unique<Passthrough>(*this, *route, reader.hello());
  co_return Status{};
}

}  // namespace sluice::data
