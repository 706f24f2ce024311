#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "data/exchange/exchange.h"
#include "data/runtime/answer_cache.h"
#include "data/runtime/lag.h"
#include "data/runtime/mirrors.h"
#include "data/runtime/pool.h"
#include "data/runtime/shared.h"
#include "data/runtime/view.h"
#include "net/http/date.h"
#include "net/io/loop.h"
#include "net/tls/tls.h"
#include "sluice/record.h"

namespace sluice::data {

// What a request needs of the thread that serves it: its loop, what it serves from, the runtime of Clusters,
// connections to pods, scratch and spare memory. It knows nothing of clients; a Worker (data/server) is one with
// listeners and their connections. Everything here is used on its thread, except post() of the loop and what says so.
class WorkerContext {
 public:
  // `first`: what it serves from until apply(). References are held.
  WorkerContext(unsigned number, const Clock& clock, Shared& shared, WorkerStats& stats, Recorder& recorder,
                std::shared_ptr<const Snapshot> first);
  ~WorkerContext();
  WorkerContext(const WorkerContext&) = delete;
  WorkerContext& operator=(const WorkerContext&) = delete;

  // Takes a publication in one step: exchanges that run keep the View and the Clusters that they have pinned.
  void apply(const Publication& publication);

  net::Loop loop;
  const unsigned number;
  Shared& shared;
  WorkerStats& stats;
  Recorder& recorder;
  IdlePool pool{*this};
  AnswerCache answers;    // of external authentication
  Instant limits_told{};  // when the operator was last told of a client that exceeds its limits
  Mirrors mirrors;

  // Scratch: valid until the next suspension of whoever fills it, never longer.
  static constexpr std::size_t kScratch = 256 * 1024;
  std::unique_ptr<char[]> scratch{new char[kScratch]};
  std::string out;
  std::string coded;  // likewise: a piece of a response as it is sent

  // Never null: a turn may need the options before anything was published.
  View* view() noexcept { return view_; }
  const model::Options& options() const noexcept { return *view_->snapshot().options; }
  // Until the next publication, unless it is pinned. Null: it is gone.
  ClusterRuntime* cluster(ClusterId id) {
    if (id >= clusters_.size()) return nullptr;
    ClusterRuntime* const runtime = clusters_[id].runtime;
    return runtime != nullptr ? runtime : asked_for(id);
  }
  // Null, and why: the settings make none.
  std::shared_ptr<net::tls::ClientContext> client_tls(const model::Shared<model::UpstreamTls>& settings,
                                                      std::string& error);
  bool draining() const noexcept { return shared.draining.load(std::memory_order_relaxed); }
  // What is given up at the moment, for want of something in the process or because this worker is behind.
  Held held() const noexcept { return shared.overload.held() | lag_held_; }
  // Of memory nothing is kept that is not needed.
  bool saves_memory() const noexcept { return shared.overload.held().by(Source::memory, Rung::save); }
  // No client's connection outlives its exchange: this process ends, or memory is short. Where connections or
  // descriptors are, those that are in use are the last that should go.
  bool ends_connections() const noexcept { return draining() || saves_memory(); }
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

  // Of whatever runs until it ends by itself, as connections do: a loop that is to end runs until all of them have.
  void entered() noexcept { ++running_; }
  void left() noexcept {
    --running_;
    if (ends_) stop_when_all_left();
  }

 protected:
  // From now on the loop stops once nothing runs any more: at once, where nothing does.
  void stop_when_all_left() noexcept {
    ends_ = true;
    if (running_ == 0) loop.stop();
  }
  bool ends() const noexcept { return ends_; }
  // After each turn: how far this worker is behind, and what that makes it do.
  void measure_lag(const net::Turn& turn) noexcept;
  // Nothing is kept in reserve beyond what a calm worker always has.
  void drop_surplus_memory() noexcept;

 private:
  void trim_memory();

  View* view_;  // of nothing, with the default options, until the first publication
  // By number. Most Clusters of a large installation are asked for now and then, and not by each worker: their runtime
  // is made by the first request that wants it.
  struct KnownCluster {
    ClusterRuntime* runtime = nullptr;
    std::shared_ptr<const model::Cluster> spec;  // null: it is gone, or is made
    std::shared_ptr<const Placement> placement;
  };
  void make_runtime(KnownCluster& known);
  ClusterRuntime* asked_for(ClusterId id);  // for the first time
  std::vector<KnownCluster> clusters_;
  // Settings that were read apart and say the same have one context, and with it one store of sessions.
  struct ByValue {
    std::size_t operator()(const model::Shared<model::UpstreamTls>& s) const;
  };
  std::unordered_map<model::Shared<model::UpstreamTls>, std::shared_ptr<net::tls::ClientContext>, ByValue> client_tls_;
  // Spare memory of exchanges; what a burst left is given back to the kernel over some seconds.
  static constexpr std::size_t kMemoryKept = 32;
  static constexpr Duration kMemoryTrim = std::chrono::milliseconds(100);
  struct MemoryTrim final : net::Deadline {
    WorkerContext* worker = nullptr;
    void expired() override;
  };
  std::vector<std::unique_ptr<ExchangeMemory>> memory_;
  std::size_t memory_low_ = 0;  // fewest spare ones since the last trim
  std::size_t memory_surplus_ = 0;
  MemoryTrim memory_trim_;
  std::size_t running_ = 0;
  bool ends_ = false;
  std::uint64_t grown_ = 0;
  LagMeter lag_;
  Ladder lag_ladder_;
  Held lag_held_;
  std::uint64_t random_state_[4];
  net::http::DateCache date_;
};

}  // namespace sluice::data
