#include "data/upstream/lease.h"

#include "base/seconds.h"
#include "data/runtime/worker_context.h"
#include "data/upstream/dial.h"
#include "data/upstream/fastcgi_client.h"
#include "data/upstream/h1_client.h"
#include "data/upstream/h2_client.h"
#include "data/upstream/proxy_out.h"

namespace sluice::data {

namespace {

using enum model::BackendProtocol;

constexpr Error kFull{Fault::overload, Whose::internal, Retry::yes, 503, "upstream-max-connections is reached"};

// Connections of HTTP/2 that an exchange makes in one attempt: a further one only where others have taken all streams
// of the one before. A pod whose connections take none is not to be connected to for ever.
constexpr std::uint32_t kMostMade = 3;

Dial dial_of(const Exchange& ex, model::BackendProtocol protocol) {
  const bool tls = protocol == https || protocol == grpcs || (protocol == auto_http && ex.peer.tls);
  const bool h2 = protocol == grpc || protocol == grpcs;
  Dial how;
  if (tls) how.tls = ex.settings->upstream_tls ? ex.settings->upstream_tls : model::unverified_tls();
  if (tls && h2) how.alpn = "h2";
  how.fastcgi = protocol == fcgi;
  if (const auto version = ex.cluster->spec().proxy_protocol; version != model::ProxyProtocol::off) [[unlikely]]
    how.proxy_header = proxy_header(ex.peer, version);
  return how;
}

// Until somebody notices that it is worth looking again, or `until`. Fails as the wait did, or as `late` says.
net::Task<Status> wait_for_slot(WorkerContext& worker, Exchange& ex, EndpointRuntime& endpoint, SlotWait& wait,
                                Instant until, Error late) {
  const bool turn = late.fault == Fault::overload;  // else for a connection that is being made
  if (turn && ex.cluster->waiting >= ex.options->upstream_max_pending) co_return std::unexpected(kFull);
  const Instant begun = worker.loop.now();
  endpoint.waiting.push_back(&wait);
  ex.waiting_on = &wait;
  ex.cluster->waiting += turn ? 1 : 0;
  const bool woken = co_await wait.signal.wait(until);
  ex.waiting_on = nullptr;
  ex.cluster->waiting -= turn ? 1 : 0;
  if (turn) ex.waited += worker.loop.now() - begun;
  const bool called = std::erase(endpoint.waiting, &wait) == 0;
  if (called && (wait.error || !woken)) slot_free(endpoint);  // its turn is another's
  if (wait.error) {
    if (!wait.note.empty()) ex.note = wait.note;
    co_return std::unexpected(*wait.error);
  }
  if (!endpoint.takes) co_return std::unexpected(kPodGoes);  // since it was called
  if (woken) co_return Status{};
  co_return std::unexpected(late);
}

// How long it waits for its turn.
Instant turn_until(const WorkerContext& worker, const Exchange& ex) noexcept {
  const Duration left = std::max(ex.settings->connect_timeout - ex.waited, Duration::zero());
  return std::min(net::due_in(worker.loop.now(), left), ex.try_until);
}

// May another connection be made? Idle ones are of no use to whoever asks: those of another protocol, other TLS
// settings or another client's PROXY header. They must not hold all places.
bool has_place(WorkerContext& worker, const Exchange& ex, EndpointRuntime& endpoint) noexcept {
  const auto limit = ex.options->upstream_max_connections;
  if (limit == 0 || endpoint.connections < limit) return true;
  // One of HTTP/2 ends by itself, soon: then whoever waits is called.
  return worker.pool.make_room(endpoint) && endpoint.connections < limit;
}

net::Task<Result<Lease>> lease_stream(WorkerContext& worker, Exchange& ex, std::shared_ptr<EndpointRuntime> endpoint,
                                      Dial how) {
  const Instant begun = worker.loop.now();
  const Instant until = std::min(net::due_in(begun, ex.settings->connect_timeout), ex.try_until);
  Error late = kFull;
  std::uint32_t made = 0;
  bool in_vain = false;  // what it waited for has ended without a stream
  for (bool waited = false;; waited = true) {
    if (H2Client* c = H2Client::with_room(*endpoint, how)) {
      Lease stream(c->stream());
      if (waited) {
        ex.attempt->connect_seconds = seconds(worker.loop.fresh_now() - begun);
        slot_free(*endpoint);  // there may be room for the next, too
      } else {
        worker.stats.upstream_reused.add();
      }
      co_return stream;
    }
    if (in_vain || made == kMostMade || (waited && worker.loop.now() >= until)) {
      slot_free(*endpoint);  // its turn is another's
      if (in_vain || made == kMostMade)
        late = Error{Fault::closed, Whose::upstream, Retry::yes, 0, "the pod's connections take no stream"};
      co_return std::unexpected(late);
    }
    bool coming = H2Client::enough_under_way(*endpoint, how);
    if (!coming && has_place(worker, ex, *endpoint)) {
      Result<int> fd = open_socket(worker, *endpoint);
      if (!fd) {
        slot_free(*endpoint);  // its turn is another's
        co_return std::unexpected(fd.error());
      }
      Status begins = H2Client::start(worker, endpoint, *fd, how, until);
      if (!begins) co_return std::unexpected(begins.error());
      ++made;
      coming = true;
    }
    late = coming ? Error{Fault::connect_timeout, Whose::upstream, Retry::yes, 0, "connect timed out"} : kFull;
    const auto ended = endpoint->ended_unused;
    SlotWait wait(worker.loop, how, true);
    const Instant patience = coming ? until : std::min(until, turn_until(worker, ex));
    net::Task<Status> waiting = wait_for_slot(worker, ex, *endpoint, wait, patience, late);
    Status woken = co_await waiting;
    if (!woken) co_return std::unexpected(woken.error());
    in_vain = coming && endpoint->ended_unused != ended;
  }
}

// A connection that is not shared is of HTTP/1 or FastCGI, as `how` says.
std::optional<Lease> take_idle(WorkerContext& worker, const Exchange& ex, EndpointRuntime& endpoint, const Dial& how) {
  PooledConnection* const idle = worker.pool.take(endpoint, how, !net::http::idempotent(ex.head().method));
  if (idle == nullptr) return std::nullopt;
  worker.stats.upstream_reused.add();
  if (how.fastcgi) return Lease(static_cast<FastcgiClient&>(*idle));
  return Lease(static_cast<H1Client&>(*idle));
}

template <class Client>
net::Task<Result<Lease>> connect(WorkerContext& worker, Exchange& ex, std::shared_ptr<EndpointRuntime> endpoint,
                                 Dial how) {
  const Instant begun = worker.loop.now();
  const Instant until = std::min(net::due_in(begun, ex.settings->connect_timeout), ex.try_until);
  Result<int> fd = open_socket(worker, *endpoint);
  if (!fd) {
    slot_free(*endpoint);  // its turn is another's
    co_return std::unexpected(fd.error());
  }
  auto connection = std::make_unique<Client>(worker, endpoint, *fd, how);
  if (!connection->stream().registered()) co_return std::unexpected(kUnwatched);
  ex.waiting_on = &connection->stream();
  Status connected{};
  {
    const Connecting known(*endpoint, connection->stream());
    net::Task<Status> dialling = dial(worker, connection->stream(), std::move(how), until, ex.note);
    connected = co_await dialling;
  }
  ex.waiting_on = nullptr;
  if (!connected) co_return std::unexpected(connected.error());
  ex.attempt->connect_seconds = seconds(worker.loop.fresh_now() - begun);
  co_return Lease(*connection.release());
}

}  // namespace

bool is_full(const Error& error) noexcept {
  return error.detail == kFull.detail;
}

model::BackendProtocol upstream_protocol(const Exchange& ex) noexcept {
  if (ex.instead) return model::BackendProtocol::http;  // backend-protocol is of the route's own pods
  return ex.settings->protocol.value_or(ex.cluster->spec().protocol);
}

std::optional<Lease> lease_idle(WorkerContext& worker, const Exchange& ex, EndpointRuntime& endpoint) {
  const auto protocol = upstream_protocol(ex);
  if (protocol != http && protocol != https && protocol != auto_http) return std::nullopt;
  return take_idle(worker, ex, endpoint, dial_of(ex, protocol));
}

net::Task<Result<Lease>> lease(WorkerContext& worker, Exchange& ex, std::shared_ptr<EndpointRuntime> endpoint,
                               bool fresh) {
  if (!endpoint->takes) co_return std::unexpected(kPodGoes);
  const auto protocol = upstream_protocol(ex);
  Dial how = dial_of(ex, protocol);
  if (protocol == grpc || protocol == grpcs || protocol == fcgi) {
    // Another protocol may be offered in vain (RFC 9110 section 7.8); nobody goes on without his WebSocket.
    if (std::exchange(ex.tunnel, false) && iequals(ex.head().upgrade_token, "websocket"))
      co_return std::unexpected(Error{Fault::unsupported, Whose::upstream, Retry::no, 502,
                                      "a WebSocket, but the pods speak HTTP/2 or FastCGI"});
  }
  if (protocol == grpc || protocol == grpcs) {
    net::Task<Result<Lease>> stream = lease_stream(worker, ex, std::move(endpoint), std::move(how));
    Result<Lease> leased = co_await stream;
    co_return leased;
  }
  if (!fresh)
    if (auto idle = take_idle(worker, ex, *endpoint, how)) co_return std::move(*idle);
  const Instant patience = turn_until(worker, ex);
  while (!has_place(worker, ex, *endpoint)) {
    SlotWait wait(worker.loop, how, false);
    net::Task<Status> waiting = wait_for_slot(worker, ex, *endpoint, wait, patience, kFull);
    Status woken = co_await waiting;
    if (!woken) co_return std::unexpected(woken.error());
    if (fresh) continue;  // what lies idle gives up its place
    if (auto idle = take_idle(worker, ex, *endpoint, how)) co_return std::move(*idle);
  }
  net::Task<Result<Lease>> connecting = how.fastcgi ? connect<FastcgiClient>(worker, ex, std::move(endpoint), how)
                                                    : connect<H1Client>(worker, ex, std::move(endpoint), how);
  Result<Lease> made = co_await connecting;
  co_return made;
}

}  // namespace sluice::data
