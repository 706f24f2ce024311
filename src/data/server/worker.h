#pragma once
#include <compare>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "data/runtime/worker_context.h"
#include "data/server/listener.h"
#include "net/tls/tls.h"

namespace sluice::data {

class Connection;
class HealthChecks;
class TurnedAway;
struct Holding;
class UdpPorts;

// A port that leads to a Service, and a socket there.
struct StreamPlace {
  model::Transport transport = model::Transport::tcp;
  std::uint16_t port = 0;
  auto operator<=>(const StreamPlace&) const = default;
};
struct StreamSocket {
  StreamPlace place;
  int fd = -1;
};

// A thread with its loop, listeners, pools, policies and View. Everything here is used on its thread, except post() of
// the loop and what says so.
class Worker final : public WorkerContext {
 public:
  // As of WorkerContext.
  Worker(unsigned number, const Clock& clock, Shared& shared, WorkerStats& stats, Recorder& recorder,
         std::shared_ptr<const Snapshot> first);
  ~Worker();

  // Before run(), or on its thread. Takes the listening descriptor.
  void listen(int fd, ListenerSettings settings);
  // On its thread: takes the descriptors of ports that lead to Services, once it has the publication that says where;
  // and lets go of others. Connections of a port that closes go on; sessions of datagrams end with their socket.
  void open_streams(std::vector<StreamSocket> sockets);
  void close_streams(const std::vector<StreamPlace>& places);
  void run();  // until drained or stopped

  // On its thread (use loop.post): takes a publication in one step.
  void apply(const Publication& publication, std::shared_ptr<net::tls::ServerContext> tls);
  // Stops accepting (the accept queue is emptied first), tells connections to end, stops the loop when the last is gone
  // or `deadline` has passed. The sequence before it (not ready, still accepting) is the caller's.
  void drain(Duration deadline);
  void stop_now() { loop.stop(); }

  const std::shared_ptr<net::tls::ServerContext>& server_tls() const noexcept { return server_tls_; }

  // Connections of this worker, for draining.
  void add(Connection& c) noexcept;
  void remove(Connection& c) noexcept;
  void accepted(int fd, const net::SocketAddress& from, ListenerSettings settings, std::uint16_t local_port);
  // Descriptors have run out: each connection that ends lets one of the listeners that wait look again, in their order.
  void waits_for_descriptor(Listener& l) { full_.push_back(&l); }
  void waits_no_longer(Listener& l) noexcept { std::erase(full_, &l); }

 private:
  // shedding.cpp: what a rung above calm asks for, after each turn and each tick.
  void relieve();
  void close_idle(Instant since);
  bool shed();  // true: some were ended
  std::uint64_t shed_bytes(std::span<Holding> found, std::uint64_t excess);
  std::uint64_t shed_clients(std::span<Holding> found, std::uint64_t excess);
  struct DrainDeadline final : net::Deadline {
    Worker* worker = nullptr;
    void expired() override;
  };

  std::shared_ptr<net::tls::ServerContext> server_tls_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::map<StreamPlace, std::unique_ptr<Listener>> stream_listeners_;
  std::vector<Listener*> full_;  // those that wait for a descriptor
  std::unique_ptr<UdpPorts> udp_ports_;
  std::unique_ptr<HealthChecks> health_checks_;
  std::unique_ptr<TurnedAway> turned_away_;
  Connection* connections_ = nullptr;
  struct Relief final : net::Deadline {
    Worker* worker = nullptr;
    void expired() override { worker->relieve(); }
  };
  Relief relief_;
  Held held_;                             // as relieve() saw it last
  std::int64_t slow_ = 0;                 // bytes that slow clients held in the last round
  Connection* next_looked_at_ = nullptr;  // where the next round begins
  Instant shed_at_{}, idle_closed_{};
  bool ended_some_ = false;  // in the last round
  Instant drain_until_{};
  int overdue_ = 0;
  DrainDeadline drain_deadline_;
};

}  // namespace sluice::data
