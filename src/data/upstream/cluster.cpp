#include "data/upstream/cluster.h"

#include <cerrno>

#include "data/server/worker.h"
#include "data/upstream/h1_client.h"

namespace sluice::data {

ClusterRuntime::ClusterRuntime(Worker& worker, std::shared_ptr<const model::Cluster> spec, std::uint64_t seed)
    : worker_(worker), policy_(policies().front().make(seed)) {
  reconcile(std::move(spec));
}

ClusterRuntime::~ClusterRuntime() {
  for (auto& e : endpoints_) {
    e->retired = true;
    worker_.pool.close_all(*e);
  }
}

void ClusterRuntime::reconcile(std::shared_ptr<const model::Cluster> spec) {
  std::unordered_map<std::string_view, std::shared_ptr<EndpointRuntime>> old;
  old.reserve(endpoints_.size());
  for (auto& e : endpoints_) old.emplace(e->identity, e);
  std::vector<std::shared_ptr<EndpointRuntime>> now;
  std::vector<std::uint8_t> usable;
  now.reserve(spec->endpoints.size());
  usable.reserve(spec->endpoints.size());
  available_ = 0;
  for (const auto& e : spec->endpoints) {
    std::string identity = e.address + '|' + std::to_string(e.port) + '|' + e.pod;
    std::shared_ptr<EndpointRuntime> runtime;
    if (auto found = old.find(identity); found != old.end()) {
      runtime = found->second;
      old.erase(found);
    } else {
      runtime = std::make_shared<EndpointRuntime>();
      runtime->identity = std::move(identity);
      auto address = net::make_address(e.address, e.port);
      runtime->valid = address.has_value();
      if (address) runtime->address = *address, runtime->text = address->text();
    }
    usable.push_back(e.ready && runtime->valid);
    available_ += usable.back();
    now.push_back(std::move(runtime));
  }
  for (auto& [identity, gone] : old) {
    gone->retired = true;
    worker_.pool.close_all(*gone);
  }
  endpoints_ = std::move(now);
  usable_ = std::move(usable);
  spec_ = std::move(spec);
}

std::shared_ptr<EndpointRuntime> ClusterRuntime::pick(std::vector<std::uint32_t>& tried) {
  const std::size_t at = policy_->pick({usable_, tried});
  if (at >= endpoints_.size()) return nullptr;
  if (tried.size() < 16) tried.push_back(static_cast<std::uint32_t>(at));
  return endpoints_[at];
}

void SlotWait::expired() {
  timed_out = true;
  std::erase(endpoint->waiting, this);
  if (auto h = std::exchange(handle, {})) h.resume();
}

namespace {

// A connection was closed or became idle: the first in the queue may look again.
void slot_free(Worker& worker, EndpointRuntime& endpoint) {
  if (endpoint.waiting.empty()) return;
  SlotWait* first = endpoint.waiting.front();
  endpoint.waiting.pop_front();
  first->disarm();
  if (auto h = std::exchange(first->handle, {})) worker.loop.resume_later(h);
}

struct WaitForSlot {
  SlotWait& wait;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> h) const { wait.handle = h; }
  void await_resume() const noexcept {}
};

}  // namespace

void closed(Worker& worker, EndpointRuntime& endpoint) {
  slot_free(worker, endpoint);
}

IdlePool::IdlePool(Worker& worker) : worker_(worker) {}

IdlePool::~IdlePool() {
  close_everything();
}

void IdlePool::unlink(H1Client& c) noexcept {
  (c.newer_ ? c.newer_->older_ : newest_) = c.older_;
  (c.older_ ? c.older_->newer_ : oldest_) = c.newer_;
  (c.above_ ? c.above_->below_ : c.endpoint_->idle_head) = c.below_;
  if (c.below_) c.below_->above_ = c.above_;
  c.newer_ = c.older_ = c.above_ = c.below_ = nullptr;
  --c.endpoint_->idle;
  --size_;
  worker_.stats.upstream_idle.sub();
  c.idle_deadline_.disarm();
  c.stream_.unwatch_idle();
}

std::unique_ptr<H1Client> IdlePool::take(EndpointRuntime& endpoint, const void* tls_key, bool careful) {
  for (H1Client* c = endpoint.idle_head; c;) {
    H1Client* below = c->below_;
    if (c->tls_key_ == tls_key) {
      unlink(*c);
      std::unique_ptr<H1Client> out(c);
      if (out->stream_.untouched(careful)) return out;
    }
    c = below;
  }
  return nullptr;
}

void IdlePool::put(std::unique_ptr<H1Client> connection) {
  const auto& o = worker_.options();
  const auto age = worker_.loop.now() - connection->made_;
  if (connection->endpoint_->retired || o.upstream_keepalive_connections == 0 || worker_.draining() ||
      (o.upstream_keepalive_requests && connection->exchanges_ >= o.upstream_keepalive_requests) ||
      age >= o.upstream_keepalive_time || connection->stream_.peer_half_closed() || connection->stream_.broken())
    return;
  while (size_ >= o.upstream_keepalive_connections && oldest_) {
    std::unique_ptr<H1Client> oldest(oldest_);
    unlink(*oldest);
  }
  H1Client* c = connection.release();
  c->older_ = newest_;
  if (newest_) newest_->newer_ = c;
  newest_ = c;
  if (!oldest_) oldest_ = c;
  c->below_ = c->endpoint_->idle_head;
  if (c->below_) c->below_->above_ = c;
  c->endpoint_->idle_head = c;
  ++c->endpoint_->idle;
  ++size_;
  worker_.stats.upstream_idle.add();
  worker_.loop.arm(c->idle_deadline_, o.upstream_keepalive_timeout);
  c->stream_.watch_idle(&IdlePool::on_activity, c);
  slot_free(worker_, *c->endpoint_);
}

// A byte or the end on an idle connection: either way it is of no more use.
void IdlePool::on_activity(void* context, bool) {
  auto* c = static_cast<H1Client*>(context);
  c->worker_.pool.unlink(*c);
  delete c;
}

void IdlePool::close_all(EndpointRuntime& endpoint) {
  const bool under_way = !doomed_.empty();
  while (endpoint.idle_head) {
    doomed_.emplace_back(endpoint.idle_head);
    unlink(*doomed_.back());
  }
  if (!under_way && !doomed_.empty()) worker_.loop.post([this] { close_some(); });
}

void IdlePool::close_some() {
  constexpr std::size_t kEachTurn = 8;  // a close costs some 10 us, and requests wait
  for (std::size_t i = 0; i < kEachTurn && !doomed_.empty(); ++i) doomed_.pop_back();
  if (!doomed_.empty()) worker_.loop.post([this] { close_some(); });
}

void IdlePool::close_everything() {
  doomed_.clear();
  while (oldest_) {
    std::unique_ptr<H1Client> c(oldest_);
    unlink(*c);
  }
}

net::Task<Result<Lease>> lease(Worker& worker, Exchange& ex, std::shared_ptr<EndpointRuntime> endpoint, bool fresh,
                               Attempt& attempt) {
  const auto& settings = *ex.settings;
  using enum model::BackendProtocol;
  const auto protocol = settings.protocol.value_or(ex.cluster->spec().protocol);
  const bool tls = protocol == https || (protocol == auto_http && ex.peer.tls);
  const auto& tls_settings = settings.upstream_tls ? settings.upstream_tls : model::unverified_tls();
  const void* tls_key = tls ? tls_settings.get() : nullptr;
  if (protocol == grpc || protocol == grpcs)
    co_return std::unexpected(
        Error{Fault::unsupported, Whose::upstream, Retry::no, 502, "HTTP/2 to pods is not spoken yet"});
  const bool careful = !net::http::idempotent(ex.head().method);
  if (!fresh) {
    if (auto idle = worker.pool.take(*endpoint, tls_key, careful)) {
      worker.stats.upstream_reused.add();
      co_return Lease(*idle.release());
    }
  }
  const Error refused{Fault::connect_refused, Whose::upstream, Retry::yes, 0, "connect refused"};
  const auto limit = ex.options->upstream_max_connections;
  while (limit && endpoint->connections >= limit) {
    const Error full{Fault::overload, Whose::internal, Retry::yes, 503, "upstream-max-connections is reached"};
    if (endpoint->waiting.size() >= ex.options->upstream_max_pending) {
      worker.stats.shed_requests.add();
      co_return std::unexpected(full);
    }
    SlotWait wait;
    wait.endpoint = endpoint.get();
    endpoint->waiting.push_back(&wait);
    worker.loop.arm(wait, settings.connect_timeout);
    WaitForSlot slot{wait};
    co_await slot;
    if (wait.timed_out) {
      worker.stats.shed_requests.add();
      co_return std::unexpected(full);
    }
    if (auto idle = worker.pool.take(*endpoint, tls_key, careful)) {
      worker.stats.upstream_reused.add();
      co_return Lease(*idle.release());
    }
  }
  const Instant begun = worker.loop.now();
  worker.stats.upstream_connects.add();
  int fd = net::connect_to(endpoint->address);
  if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
    worker.pool.close_everything();  // idle ones are the cheapest descriptors to give up
    fd = net::connect_to(endpoint->address);
    if (fd < 0) {
      worker.stats.shed_requests.add();
      co_return std::unexpected(Error{Fault::overload, Whose::internal, Retry::no, 503, "out of descriptors"});
    }
  }
  if (fd < 0) {
    worker.stats.upstream_connect_failures.add();
    co_return std::unexpected(refused);
  }
  auto connection = std::make_unique<H1Client>(worker, endpoint, fd, tls_key);
  if (!connection->stream().registered())
    co_return std::unexpected(
        Error{Fault::overload, Whose::internal, Retry::no, 503, "cannot watch another descriptor"});
  const Instant until = begun + settings.connect_timeout;
  ex.waiting_on = &connection->stream();
  Status connected = co_await connection->stream().connected(until);
  if (connected && tls) {
    std::string why;
    auto context = worker.client_tls(tls_settings, why);
    if (!context) {
      ex.note = why;
      co_return std::unexpected(
          Error{Fault::tls, Whose::upstream, Retry::no, 502, "the upstream TLS settings cannot be used"});
    }
    connection->stream().start_tls(
        net::tls::Session::client(context, fd, tls_settings->server_name, tls_settings->send_sni));
    connected = co_await connection->stream().handshake(until);
    if (!connected) ex.note = connection->stream().tls()->error();
  }
  ex.waiting_on = nullptr;
  attempt.connect_seconds = std::chrono::duration<float>(worker.loop.fresh_now() - begun).count();
  if (!connected) {
    worker.stats.upstream_connect_failures.add();
    Error why = connected.error();
    why.whose = Whose::upstream;
    if (why.fault != Fault::cancelled) why.retry = Retry::yes;  // nothing of the request was sent
    co_return std::unexpected(why);
  }
  co_return Lease(*connection.release());
}

}  // namespace sluice::data
