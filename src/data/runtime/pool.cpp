#include "data/runtime/pool.h"

#include "data/runtime/cost.h"
#include "data/runtime/worker_context.h"

namespace sluice::data {

PooledConnection::PooledConnection(WorkerContext& worker, std::shared_ptr<EndpointRuntime> endpoint, int fd,
                                   const Dial& how, bool shared)
    : worker_(worker),
      endpoint_(std::move(endpoint)),
      stream_(worker.loop, fd, Whose::upstream, false),
      tls_(how.tls),
      proxy_header_(how.proxy_header),
      fastcgi_(how.fastcgi),
      shared_(shared),
      made_(worker.loop.now()) {
  ++endpoint_->connections;
  worker_.stats.upstream_connections.add();
  worker_.grew(cost::kConnection);
  idle_deadline_.connection = this;
}

PooledConnection::~PooledConnection() {
  --endpoint_->connections;
  worker_.stats.upstream_connections.sub();
  slot_free(*endpoint_);
}

void PooledConnection::IdleDeadline::expired() {
  connection->worker_.pool.unlink(*connection);
  connection->close_idle();
}

namespace {
[[gnu::noinline]] void call_first(EndpointRuntime& endpoint) {
  SlotWait* first = endpoint.waiting.front();
  endpoint.waiting.erase(endpoint.waiting.begin());
  first->signal.notify();
}
}  // namespace

void slot_free(EndpointRuntime& endpoint) {
  if (!endpoint.waiting.empty()) [[unlikely]]
    call_first(endpoint);
}

void send_elsewhere(EndpointRuntime& endpoint) noexcept {
  if (endpoint.takes) return;
  const auto all = std::exchange(endpoint.waiting, {});
  for (SlotWait* const waits : all) waits->cancel(kPodGoes);
  for (Connecting* one = endpoint.connecting; one != nullptr; one = one->next_) one->what_.cancel(kPodGoes);
}

IdlePool::IdlePool(WorkerContext& worker) : worker_(worker) {}

IdlePool::~IdlePool() {
  close_everything();
}

void IdlePool::unlink(PooledConnection& c) noexcept {
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

PooledConnection* IdlePool::take(EndpointRuntime& endpoint, const Dial& how, bool careful) {
  for (PooledConnection* c = endpoint.idle_head; c;) {
    PooledConnection* below = c->below_;
    if (!c->shared_ && c->suits(how)) {
      unlink(*c);
      if (c->stream_.untouched(careful)) return c;
      c->close_idle();
    }
    c = below;
  }
  return nullptr;
}

bool IdlePool::carries_more(const PooledConnection& c) const noexcept {
  if (c.exchanges_ == 0) return true;
  const auto& o = worker_.options();
  const auto most = c.kept_.idle > 0 ? c.kept_.requests : o.upstream_keepalive_requests;
  const bool used_up = most != 0 && c.exchanges_ >= most;
  return !used_up && worker_.loop.now() - c.made_ < o.upstream_keepalive_time && !c.stream_.peer_half_closed() &&
         !c.stream_.broken();
}

// Is it to lie idle? That is not asked of one that is in use: while a worker drains, or where nothing is kept,
// exchanges share what others have made.
bool IdlePool::worth_keeping(const PooledConnection& c) const noexcept {
  return !c.endpoint_->retired && worker_.options().upstream_keepalive_connections > 0 && !worker_.draining() &&
         c.idle_most_.count() > 0 && carries_more(c);
}

void IdlePool::put(PooledConnection& connection) {
  PooledConnection* const c = &connection;
  if (!worth_keeping(*c)) return c->close_idle();
  if (c->kept_.idle > 0)
    while (c->endpoint_->idle >= c->kept_.idle && make_room(*c->endpoint_)) {
    }
  while (size_ >= worker_.options().upstream_keepalive_connections && oldest_) {
    PooledConnection* const oldest = oldest_;
    unlink(*oldest);
    oldest->close_idle();
  }
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
  const Duration idle = c->kept_.idle > 0 ? Duration(c->kept_.timeout) : worker_.options().upstream_keepalive_timeout;
  worker_.loop.arm(c->idle_deadline_, std::min(idle, c->idle_most_));
  if (c->shared_) return;  // it reads by itself
  c->stream_.watch_idle(&IdlePool::on_activity, c);
  slot_free(*c->endpoint_);
}

bool IdlePool::make_room(EndpointRuntime& endpoint) noexcept {
  PooledConnection* c = endpoint.idle_head;
  if (c == nullptr) return false;
  while (c->below_) c = c->below_;
  unlink(*c);
  c->close_idle();
  return true;
}

// A byte or the end on an idle connection: either way it is of no more use.
void IdlePool::on_activity(void* context, bool) {
  auto* c = static_cast<PooledConnection*>(context);
  c->worker_.pool.unlink(*c);
  c->close_idle();
}

void IdlePool::close_all(EndpointRuntime& endpoint) {
  const bool under_way = !doomed_.empty();
  while (endpoint.idle_head) {
    PooledConnection* const c = endpoint.idle_head;
    unlink(*c);
    if (c->shared_)
      c->close_idle();
    else
      doomed_.push_back(c);
  }
  if (!under_way && !doomed_.empty()) worker_.loop.post([this] { close_some(); });
}

void IdlePool::close_some() {
  constexpr std::size_t kEachTurn = 8;  // a close costs some 10 us, and requests wait
  for (std::size_t i = 0; i < kEachTurn && !doomed_.empty(); ++i) {
    PooledConnection* const c = doomed_.back();
    doomed_.pop_back();
    c->close_idle();
  }
  if (!doomed_.empty()) worker_.loop.post([this] { close_some(); });
}

void IdlePool::close_everything() {
  for (PooledConnection* c : std::exchange(doomed_, {})) c->close_idle();
  while (oldest_) {
    PooledConnection* const c = oldest_;
    unlink(*c);
    c->close_idle();
  }
}

}  // namespace sluice::data
