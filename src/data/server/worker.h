#pragma once
#include <atomic>
#include <compare>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/blocking_pool.h"
#include "data/proxy/exchange.h"
#include "data/routing/hash.h"
#include "data/server/answer_cache.h"
#include "data/server/compression_memory.h"
#include "data/server/credentials.h"
#include "data/server/limits.h"
#include "data/server/listener.h"
#include "data/server/mirrors.h"
#include "data/server/overload.h"
#include "data/server/passing_hellos.h"
#include "data/snapshot/snapshot.h"
#include "data/upstream/pool.h"
#include "net/http/cidr.h"
#include "net/http/date.h"
#include "net/io/loop.h"
#include "net/tls/tls.h"
#include "sluice/record.h"

namespace sluice::data {

class Connection;
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

// What a worker serves from at the moment, with a count of the exchanges that hold on to it. One thread.
class View {
 public:
  explicit View(std::shared_ptr<const Snapshot> s) : snapshot_(std::move(s)) {}
  const Snapshot& snapshot() const noexcept { return *snapshot_; }
  void pin() noexcept { ++pins_; }
  void unpin() noexcept {
    if (--pins_ == 0)
      delete this;  // the Publisher holds another reference: the Snapshot is freed on the control thread
  }

 private:
  ~View() = default;
  std::shared_ptr<const Snapshot> snapshot_;
  std::uint32_t pins_ = 1;
};

// What the workers of a process have in common.
struct Shared {
  explicit Shared(Overload& o) : overload(o) {}
  Overload& overload;
  std::atomic<bool> draining{false};
  ConnectionLimits limits;
  std::uint32_t descriptor_connections = 50'000;  // what the descriptor limit allows when max-connections is 0
  std::uint32_t max_connections(const model::Options& o) const noexcept {
    return o.max_connections ? o.max_connections : descriptor_connections;
  }
  bool passthrough = false;               // --enable-ssl-passthrough: ClientHellos are looked at
  std::unique_ptr<PassingHellos> hellos;  // with passthrough
  BlockingPool* blocking = nullptr;       // stopped before the workers end; null: what blocks is refused
  Credentials credentials;
  CompressionMemory compression;
  HashSeed loop_seed = random_seed();  // of the marks by which a route recognises what comes back
};

// A thread with its loop, listeners, pools, policies and View. Everything here is used on its thread, except post() of
// the loop and what says so.
class Worker {
 public:
  Worker(unsigned number, const Clock& clock, Shared& shared, WorkerStats& stats, Recorder& recorder);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

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

  net::Loop loop;
  const unsigned number;
  Shared& shared;
  WorkerStats& stats;
  Recorder& recorder;
  IdlePool pool{*this};
  AnswerCache answers;  // of external authentication
  Mirrors mirrors;

  // Scratch: valid until the next suspension of whoever fills it, never longer.
  static constexpr std::size_t kScratch = 256 * 1024;
  std::unique_ptr<char[]> scratch{new char[kScratch]};
  std::string out;
  std::string coded;  // likewise: a piece of a response as it is sent

  // Never null: a turn may need the options before anything was published.
  View* view() noexcept { return view_; }
  const model::Options& options() const noexcept { return *view_->snapshot().options; }
  ClusterRuntime* cluster(ClusterId id) noexcept { return id < clusters_.size() ? clusters_[id] : nullptr; }
  const std::shared_ptr<net::tls::ServerContext>& server_tls() const noexcept { return server_tls_; }
  std::shared_ptr<net::tls::ClientContext> client_tls(const model::Shared<model::UpstreamTls>& settings,
                                                      std::string& error);
  bool draining() const noexcept { return shared.draining.load(std::memory_order_relaxed); }
  // No client's connection outlives its exchange: this process ends, or memory is short.
  bool ends_connections() const noexcept { return draining() || shared.overload.at_least(Rung::save); }
  // So many bytes more will be held, about, until something ends. What cannot be given back at once is told before.
  void grew(std::uint64_t bytes) noexcept {
    grown_ += bytes;
    if (grown_ < shared.overload.step()) return;
    grown_ = 0;
    shared.overload.look();
  }

  std::unique_ptr<ExchangeMemory> borrow_memory();
  void return_memory(std::unique_ptr<ExchangeMemory> m) noexcept;
  // 32 hexadecimal digits.
  void request_id(char* out32) noexcept;
  std::uint64_t random() noexcept;
  std::string_view date() noexcept;
  std::int64_t wall_ms() noexcept;

  // Connections of this worker, for draining.
  void add(Connection& c) noexcept;
  void remove(Connection& c) noexcept;
  // Connections to pods that end by themselves: the loop runs until they have.
  void entered() noexcept { ++self_ending_; }
  void left() noexcept {
    --self_ending_;
    maybe_drained();
  }
  void accepted(int fd, const net::SocketAddress& from, ListenerSettings settings, std::uint16_t local_port);

 private:
  void maybe_drained();
  void trim_memory();
  // shedding.cpp: what a rung above calm asks for, after each turn and each tick.
  void relieve();
  void close_idle(Instant since);
  bool shed();  // true: some were ended
  struct DrainDeadline final : net::Deadline {
    Worker* worker = nullptr;
    void expired() override;
  };

  View* view_;  // of nothing, with the default options, until the first publication
  std::vector<ClusterRuntime*> clusters_;
  std::shared_ptr<net::tls::ServerContext> server_tls_;
  // Settings that were read apart and say the same have one context, and with it one store of sessions.
  struct ByValue {
    std::size_t operator()(const model::Shared<model::UpstreamTls>& s) const;
  };
  std::unordered_map<model::Shared<model::UpstreamTls>, std::shared_ptr<net::tls::ClientContext>, ByValue> client_tls_;
  // Spare memory of exchanges; what a burst left is given back to the kernel over some seconds.
  static constexpr std::size_t kMemoryKept = 32;
  static constexpr Duration kMemoryTrim = std::chrono::milliseconds(100);
  struct MemoryTrim final : net::Deadline {
    Worker* worker = nullptr;
    void expired() override;
  };
  std::vector<std::unique_ptr<ExchangeMemory>> memory_;
  std::size_t memory_low_ = 0;  // fewest spare ones since the last trim
  std::size_t memory_surplus_ = 0;
  MemoryTrim memory_trim_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::map<StreamPlace, std::unique_ptr<Listener>> stream_listeners_;
  std::unique_ptr<UdpPorts> udp_ports_;
  Connection* connections_ = nullptr;
  std::size_t connection_count_ = 0, self_ending_ = 0;
  struct Relief final : net::Deadline {
    Worker* worker = nullptr;
    void expired() override { worker->relieve(); }
  };
  Relief relief_;
  Rung rung_ = Rung::calm;  // as relieve() saw it last
  std::uint64_t grown_ = 0;
  std::int64_t slow_ = 0;                 // bytes that slow clients held in the last round
  Connection* next_looked_at_ = nullptr;  // where the next round begins
  Instant shed_at_{}, idle_closed_{};
  bool ended_some_ = false;  // in the last round
  bool drain_ = false;
  Instant drain_until_{};
  int overdue_ = 0;
  DrainDeadline drain_deadline_;
  std::uint64_t random_state_[4];
  net::http::DateCache date_;
};

}  // namespace sluice::data
