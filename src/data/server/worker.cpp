#include "data/server/worker.h"

#include <sys/random.h>
#include <unistd.h>

#include <cstring>

#include "base/hex.h"
#include "data/server/connection.h"
#include "data/server/shedding.h"
#include "data/server/udp_port.h"
#include "data/snapshot/streams.h"
#include "model/hash.h"

namespace sluice::data {

namespace {

// Compiled once for all workers: a Compiler makes a key pair.
std::shared_ptr<const Snapshot> nothing_yet() {
  static const auto snapshot = [] {
    model::Change first;
    first.everything = true;
    return Compiler().compile(model::Model{}, first).snapshot;
  }();
  return snapshot;
}

}  // namespace

Worker::Worker(unsigned n, const Clock& clock, Shared& s, WorkerStats& st, Recorder& r)
    : loop(clock),
      number(n),
      shared(s),
      stats(st),
      recorder(r),
      view_(new View(nothing_yet())),
      udp_ports_(std::make_unique<UdpPorts>(*this)) {
  out.reserve(64 * 1024);
  drain_deadline_.worker = this;
  memory_trim_.worker = this;
  relief_.worker = this;
  if (getrandom(random_state_, sizeof random_state_, 0) != sizeof random_state_)
    random_state_[0] = static_cast<std::uint64_t>(getpid()) * 0x9e3779b97f4a7c15 + n;
  loop.on_turn = [this](Duration took) {
    const auto ns = static_cast<std::uint64_t>(took.count());
    if (ns > stats.loop_lag_ns_max.get()) stats.loop_lag_ns_max.set(ns);
    recorder.turn_over();
    if (shared.overload.rung() != rung_ || rung_ != Rung::calm) [[unlikely]]
      relieve();
  };
}

Worker::~Worker() {
  pool.close_everything();
  listeners_.clear();
  stream_listeners_.clear();
  udp_ports_.reset();
  for (auto* c : clusters_)
    if (c) c->unpin();
  view_->unpin();
}

void Worker::listen(int fd, ListenerSettings settings) {
  listeners_.push_back(std::make_unique<Listener>(*this, fd, settings));
}

void Worker::open_streams(std::vector<StreamSocket> sockets) {
  ListenerSettings settings;
  settings.stream = true;
  for (const StreamSocket& s : sockets) {
    if (drain_ || draining())
      close(s.fd);
    else if (s.place.transport == model::Transport::tcp)
      stream_listeners_[s.place] = std::make_unique<Listener>(*this, s.fd, settings);
    else
      udp_ports_->open(s.place.port, s.fd);
  }
}

void Worker::close_streams(const std::vector<StreamPlace>& places) {
  for (const StreamPlace& place : places) {
    if (const auto at = stream_listeners_.find(place); at != stream_listeners_.end()) {
      at->second->finish();
      stream_listeners_.erase(at);
    }
    if (place.transport == model::Transport::udp) udp_ports_->close(place.port);
  }
}

void Worker::run() {
  loop.run();
}

void Worker::apply(const Publication& publication, std::shared_ptr<net::tls::ServerContext> tls) {
  const Instant begun = loop.fresh_now();
  for (const auto& update : publication.clusters) {
    if (update.id >= clusters_.size()) clusters_.resize(update.id + 1);
    ClusterRuntime*& slot = clusters_[update.id];
    if (slot && update.cluster && slot->spec().name == update.cluster->name) {
      slot->reconcile(update.cluster, update.placement);
      continue;
    }
    if (slot) std::exchange(slot, nullptr)->unpin();
    if (update.cluster) slot = new ClusterRuntime(*this, update.cluster, update.placement, random());
  }
  View* old = std::exchange(view_, new View(publication.snapshot));
  net::tls::set_current_table(publication.snapshot->certificates.get());
  net::tls::set_current_contexts(publication.snapshot->contexts.get());
  if (tls) server_tls_ = std::move(tls);
  old->unpin();
  if (client_tls_.size() > 64) std::erase_if(client_tls_, [](const auto& entry) { return entry.first.alone(); });
  stats.snapshot_version.set(publication.snapshot->version);
  const auto pause = static_cast<std::uint64_t>((loop.fresh_now() - begun).count());
  stats.publish_pause_ns_last.set(pause);
  if (pause > stats.publish_pause_ns_max.get()) stats.publish_pause_ns_max.set(pause);
}

std::shared_ptr<net::tls::ClientContext> Worker::client_tls(const model::Shared<model::UpstreamTls>& settings,
                                                            std::string& error) {
  if (const auto known = client_tls_.find(settings); known != client_tls_.end()) return known->second;
  net::tls::ClientPolicy policy;
  policy.verify = settings->verify;
  policy.verify_depth = settings->verify_depth;
  policy.ca_pem = settings->ca_pem;
  policy.certificate_pem = settings->certificate_pem;
  policy.key_pem = settings->key_pem;
  policy.protocols = settings->protocols;
  policy.ciphers = settings->ciphers;
  auto context = net::tls::make_client_context(policy);
  if (!context) {
    error = context.error();
    return nullptr;
  }
  return client_tls_.emplace(settings, std::move(*context)).first->second;
}

std::size_t Worker::ByValue::operator()(const model::Shared<model::UpstreamTls>& s) const {
  model::Hash all;
  all.add(*s);
  return all.value();
}

std::unique_ptr<ExchangeMemory> Worker::borrow_memory() {
  if (memory_.empty()) {
    grew(cost::kExchange + net::Stream::kKept);
    return std::make_unique<ExchangeMemory>();
  }
  auto m = std::move(memory_.back());
  memory_.pop_back();
  memory_low_ = std::min(memory_low_, memory_.size());
  return m;
}

void Worker::return_memory(std::unique_ptr<ExchangeMemory> m) noexcept {
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
void Worker::MemoryTrim::expired() {
  auto& spare = worker->memory_;
  const std::size_t surplus = std::min(worker->memory_low_, spare.size());
  worker->memory_surplus_ = surplus > kMemoryKept ? std::max<std::size_t>((surplus - kMemoryKept) / 2, 1) : 0;
  worker->trim_memory();
  worker->memory_low_ = spare.size();
  if (spare.size() > kMemoryKept) worker->loop.arm(*this, kMemoryTrim);
}

void Worker::trim_memory() {
  constexpr std::size_t kEachTurn = 8;  // a munmap costs some 10 us, and requests wait
  for (std::size_t i = 0; i < kEachTurn && memory_surplus_ > 0 && !memory_.empty(); ++i, --memory_surplus_)
    memory_.pop_back();
  if (memory_surplus_ > 0 && !memory_.empty()) loop.post([this] { trim_memory(); });
}

// xoshiro256**: ids need to be unlike each other, not secret.
std::uint64_t Worker::random() noexcept {
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

void Worker::request_id(char* out32) noexcept {
  write_hex(random(), out32);
  write_hex(random(), out32 + 16);
}

std::int64_t Worker::wall_ms() noexcept {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string_view Worker::date() noexcept {
  return date_.at(wall_ms() / 1000);
}

void Worker::add(Connection& c) noexcept {
  c.next_ = connections_;
  if (connections_) connections_->previous_ = &c;
  connections_ = &c;
  ++connection_count_;
}

void Worker::remove(Connection& c) noexcept {
  (c.previous_ ? c.previous_->next_ : connections_) = c.next_;
  if (c.next_) c.next_->previous_ = c.previous_;
  if (next_looked_at_ == &c) next_looked_at_ = c.next_;
  --connection_count_;
  maybe_drained();
}

void Worker::accepted(int fd, const net::SocketAddress& from, ListenerSettings settings, std::uint16_t local_port) {
  stats.accepted.add();
  Peer peer;
  peer.address = from.address();
  peer.port = from.port();
  peer.local_port = local_port;
  peer.fd = fd;
  peer.tls = settings.tls;
  const StreamTarget* target = nullptr;
  if (settings.stream) {
    target = view_->snapshot().streams->find(model::Transport::tcp, local_port);
    if (target == nullptr) {  // the port is being closed
      close(fd);
      return;
    }
  }
  net::Address bytes{};
  net::http::parse_address(peer.address, bytes);
  std::memcpy(peer.bytes, bytes.bytes, 16);
  const auto& o = options();
  const bool proxy_header = target ? target->spec->proxy_in : settings.proxy_protocol || o.use_proxy_protocol;
  // Behind a PROXY header the address is not known yet.
  const auto max_per_address = proxy_header ? 0 : o.max_connections_per_address;
  if (!shared.limits.enter(peer.bytes, shared.max_connections(o), max_per_address)) {
    stats.shed_connections.add();
    if (!settings.tls && !settings.stream) {
      [[maybe_unused]] auto n = send(fd, kBusyAnswer.data(), kBusyAnswer.size(), MSG_NOSIGNAL);
      shutdown(fd, SHUT_WR);
    }
    close(fd);
    return;
  }
  grew(cost::kConnection + (settings.tls ? cost::kHandshake : 0));
  net::no_delay(fd);
  auto* connection = new Connection(*this, fd, std::move(peer), proxy_header, max_per_address != 0, settings.stream);
  if (!connection->usable() || (settings.tls && !server_tls_)) {
    stats.shed_connections.add();
    delete connection;
    return;
  }
  connection->start();
}

void Worker::drain(Duration deadline) {
  if (drain_) return;
  drain_ = true;
  for (auto& l : listeners_) l->finish();
  for (auto& [place, l] : stream_listeners_) l->finish();
  udp_ports_->drain();
  drain_until_ = loop.fresh_now() + deadline;
  for (Connection* c = connections_; c; c = c->next_) c->drain(false);
  pool.close_everything();
  loop.arm(drain_deadline_, std::min<Duration>(deadline, std::chrono::seconds(1)));
  maybe_drained();
}

void Worker::maybe_drained() {
  if (drain_ && connection_count_ + self_ending_ == 0) loop.stop();
}

// First for connections that never sent a request, then for everything.
void Worker::DrainDeadline::expired() {
  const bool over = worker->loop.now() >= worker->drain_until_;
  for (Connection* c = worker->connections_; c; c = c->next_) over ? c->kill() : c->drain(true);
  if (over) worker->udp_ports_->kill();
  if (over) worker->mirrors.cancel_all(Error{Fault::cancelled, Whose::internal, Retry::no, 0, "the worker ends"});
  if (!over)
    worker->loop.arm_at(*this, worker->drain_until_);
  else
    worker->loop.arm(*this, std::chrono::seconds(1));
  worker->overdue_ += over;
  if (worker->overdue_ > 3) worker->loop.stop();
  worker->maybe_drained();
}

}  // namespace sluice::data
