#include "data/runtime/worker_context.h"

#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/hex.h"
#include "data/runtime/cost.h"
#include "model/hash.h"

namespace sluice::data {

WorkerContext::WorkerContext(unsigned n, const Clock& clock, Shared& s, WorkerStats& st, Recorder& r,
                             std::shared_ptr<const Snapshot> first)
    : loop(clock), number(n), shared(s), stats(st), recorder(r), view_(new View(std::move(first))) {
  out.reserve(64 * 1024);
  memory_trim_.worker = this;
  if (getrandom(random_state_, sizeof random_state_, 0) != sizeof random_state_)
    random_state_[0] = static_cast<std::uint64_t>(getpid()) * 0x9e3779b97f4a7c15 + n;
}

WorkerContext::~WorkerContext() {
  pool.close_everything();
  for (const auto& known : clusters_)
    if (known.runtime) known.runtime->unpin();
  view_->unpin();
}

namespace {
// Is there something that a Cluster must know from its beginning, as which of its endpoints are new? Or would its first
// request wait for more than some microseconds?
bool is_made_at_once(const model::Cluster& cluster) noexcept {
  constexpr std::size_t kMany = 64;
  return cluster.balancing || cluster.endpoints.size() > kMany;
}
}  // namespace

void WorkerContext::make_runtime(KnownCluster& known) {
  known.runtime = new ClusterRuntime(*this, std::move(known.spec), std::move(known.placement), random());
}

ClusterRuntime* WorkerContext::asked_for(ClusterId id) {
  KnownCluster& known = clusters_[id];
  if (known.spec) make_runtime(known);
  return known.runtime;
}

void WorkerContext::apply(const Publication& publication) {
  for (const auto& update : publication.clusters) {
    if (update.id >= clusters_.size()) clusters_.resize(update.id + 1);
    KnownCluster& known = clusters_[update.id];
    if (known.runtime && update.cluster && known.runtime->spec().name == update.cluster->name) {
      known.runtime->reconcile(update.cluster, update.placement);
      continue;
    }
    if (known.runtime) {
      known.runtime->retire();
      std::exchange(known.runtime, nullptr)->unpin();
    }
    known.spec = update.cluster;
    known.placement = update.placement;
    if (known.spec && is_made_at_once(*known.spec)) make_runtime(known);
  }
  std::exchange(view_, new View(publication.snapshot))->unpin();
  if (client_tls_.size() > 64) std::erase_if(client_tls_, [](const auto& entry) { return entry.first.alone(); });
}

std::shared_ptr<net::tls::ClientContext> WorkerContext::client_tls(const model::Shared<model::UpstreamTls>& settings,
                                                                   std::string& error) {
  if (const auto known = client_tls_.find(settings); known != client_tls_.end()) return known->second;
  net::tls::ClientPolicy policy;
  policy.verify = settings->verify;
  policy.verify_depth = settings->verify_depth;
  policy.ca_pem = settings->ca_pem;
  policy.certificate_pem = settings->certificate_pem;
  policy.key_pem = settings->key_pem->text;
  policy.protocols = settings->protocols;
  policy.ciphers = settings->ciphers;
  auto context = net::tls::make_client_context(policy);
  if (!context) {
    error = context.error();
    return nullptr;
  }
  return client_tls_.emplace(settings, std::move(*context)).first->second;
}

std::size_t WorkerContext::ByValue::operator()(const model::Shared<model::UpstreamTls>& s) const {
  model::Hash all;
  all.add(*s);
  return all.value();
}

std::unique_ptr<ExchangeMemory> WorkerContext::borrow_memory() {
  if (memory_.empty()) {
    grew(cost::kExchange + net::Stream::kKept);
    return std::make_unique<ExchangeMemory>();
  }
  auto m = std::move(memory_.back());
  memory_.pop_back();
  memory_low_ = std::min(memory_low_, memory_.size());
  return m;
}

void WorkerContext::return_memory(std::unique_ptr<ExchangeMemory> m) noexcept {
  if (!m) return;
  m->in.shrink();
  if (m->collected.capacity() > 64 * 1024) m->collected = {};
  if (m->response_head.capacity() > 64 * 1024) m->response_head = {};
  if (m->ahead.capacity() > 64 * 1024) m->ahead = {};
  m->joined.clear();
  m->texts.trim();
  m->logged.trim();
  m->collected.clear();
  m->ahead.clear();
  memory_.push_back(std::move(m));
  if (memory_.size() > kMemoryKept && !memory_trim_.armed()) {
    memory_low_ = memory_.size();
    loop.arm(memory_trim_, kMemoryTrim);
  }
}

// Half of what nobody needed since the last time goes back to the kernel, a little in each turn.
void WorkerContext::MemoryTrim::expired() {
  auto& spare = worker->memory_;
  const std::size_t surplus = std::min(worker->memory_low_, spare.size());
  worker->memory_surplus_ = surplus > kMemoryKept ? std::max<std::size_t>((surplus - kMemoryKept) / 2, 1) : 0;
  worker->trim_memory();
  worker->memory_low_ = spare.size();
  if (spare.size() > kMemoryKept) worker->loop.arm(*this, kMemoryTrim);
}

void WorkerContext::measure_lag(const net::Turn& turn) noexcept {
  if (!lag_.turn(turn)) return;
  const Duration lag = lag_.lag(), limit = shared.overload.lag_limit();
  stats.loop_lag_ns.set(static_cast<std::uint64_t>(lag.count()));
  if ((limit.count() > 0 && lag >= limit) || !lag_held_.none()) [[unlikely]] {
    const Steps steps = limit.count() > 0 ? steps_of(Source::lag, shared.overload.thresholds()) : Steps{};
    const auto share =
        limit.count() > 0 ? static_cast<unsigned>(std::min<std::int64_t>(lag * 1000 / limit, 1'000'000)) : 0U;
    lag_held_ = lag_ladder_.step(Source::lag, share, steps, turn.begun + turn.took);
  }
  shared.overload.report_lag(number, lag, lag_held_);
}

void WorkerContext::drop_surplus_memory() noexcept {
  if (memory_.size() > kMemoryKept) memory_.resize(kMemoryKept);
}

void WorkerContext::trim_memory() {
  constexpr std::size_t kEachTurn = 8;  // a munmap costs some 10 us, and requests wait
  for (std::size_t i = 0; i < kEachTurn && memory_surplus_ > 0 && !memory_.empty(); ++i, --memory_surplus_)
    memory_.pop_back();
  if (memory_surplus_ > 0 && !memory_.empty()) loop.post([this] { trim_memory(); });
}

// xoshiro256**: ids need to be unlike each other, not secret.
std::uint64_t WorkerContext::random() noexcept {
  auto& s = random_state_;
  const auto rotl = [](std::uint64_t x, int k) { return (x << k) | (x >> (64 - k)); };
  const std::uint64_t result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= t;
  s[3] = rotl(s[3], 45);
  return result;
}

void WorkerContext::request_id(char* out32) noexcept {
  write_hex(random(), out32);
  write_hex(random(), out32 + 16);
}

std::int64_t WorkerContext::wall_ms() noexcept {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string_view WorkerContext::date() noexcept {
  return date_.at(wall_ms() / 1000);
}

}  // namespace sluice::data
