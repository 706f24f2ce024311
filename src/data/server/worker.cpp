#include "data/server/worker.h"

#include <unistd.h>

#include <cstring>

#include "data/server/connection.h"
#include "data/server/health_checks.h"
#include "data/server/shedding.h"
#include "data/server/turned_away.h"
#include "data/server/udp_port.h"
#include "data/snapshot/streams.h"

namespace sluice::data {

Worker::Worker(unsigned n, const Clock& clock, Shared& s, WorkerStats& st, Recorder& r,
               std::shared_ptr<const Snapshot> first)
    : WorkerContext(n, clock, s, st, r, std::move(first)),
      udp_ports_(std::make_unique<UdpPorts>(*this)),
      health_checks_(std::make_unique<HealthChecks>(*this)),
      turned_away_(std::make_unique<TurnedAway>(*this)) {
  drain_deadline_.worker = this;
  relief_.worker = this;
  loop.on_turn = [this](const net::Turn& turn) {
    const auto ns = static_cast<std::uint64_t>(turn.took.count());
    if (ns > stats.loop_lag_ns_max.get()) stats.loop_lag_ns_max.set(ns);
    recorder.turn_over();
    measure_lag(turn);
    if (!(held() | held_).none()) [[unlikely]]
      relieve();
  };
}

Worker::~Worker() {
  pool.close_everything();
  listeners_.clear();
  stream_listeners_.clear();
  udp_ports_.reset();
  health_checks_.reset();
  turned_away_.reset();
}

void Worker::listen(int fd, ListenerSettings settings) {
  listeners_.push_back(std::make_unique<Listener>(*this, fd, settings));
}

void Worker::open_streams(std::vector<StreamSocket> sockets) {
  ListenerSettings settings;
  settings.stream = true;
  for (const StreamSocket& s : sockets) {
    if (ends() || draining())
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
  WorkerContext::apply(publication);
  health_checks_->follow(publication);
  net::tls::set_current_table(publication.snapshot->certificates.get());
  net::tls::set_current_contexts(publication.snapshot->contexts.get());
  if (tls) server_tls_ = std::move(tls);
  stats.snapshot_version.set(publication.snapshot->version);
  const auto pause = static_cast<std::uint64_t>((loop.fresh_now() - begun).count());
  stats.publish_pause_ns_last.set(pause);
  if (pause > stats.publish_pause_ns_max.get()) stats.publish_pause_ns_max.set(pause);
}

void Worker::add(Connection& c) noexcept {
  c.next_ = connections_;
  if (connections_) connections_->previous_ = &c;
  connections_ = &c;
  entered();
}

void Worker::remove(Connection& c) noexcept {
  (c.previous_ ? c.previous_->next_ : connections_) = c.next_;
  if (c.next_) c.next_->previous_ = c.previous_;
  if (next_looked_at_ == &c) next_looked_at_ = c.next_;
  left();
  if (!full_.empty()) [[unlikely]] {
    // Its descriptor is closed by the time that the loop asks who has clients waiting.
    Listener& first = *full_.front();
    full_.erase(full_.begin());
    first.look_again();
  }
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
    target = view()->snapshot().streams->find(model::Transport::tcp, local_port);
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
    if (!settings.tls && !settings.stream)
      turned_away_->tell(fd);
    else
      close(fd);
    return;
  }
  if (shared.overload.is_crowded(shared.limits.total(), fd)) [[unlikely]]
    shared.overload.look();
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
  if (ends()) return;
  for (auto& l : listeners_) l->finish();
  for (auto& [place, l] : stream_listeners_) l->finish();
  udp_ports_->drain();
  health_checks_->end();
  drain_until_ = loop.fresh_now() + deadline;
  for (Connection* c = connections_; c; c = c->next_) c->drain(false);
  pool.close_everything();
  loop.arm(drain_deadline_, std::min<Duration>(deadline, std::chrono::seconds(1)));
  stop_when_all_left();
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
  worker->stop_when_all_left();
}

}  // namespace sluice::data
