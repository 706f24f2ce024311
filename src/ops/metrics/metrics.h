#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "ops/metrics/controller_state.h"
#include "sluice/record.h"

namespace sluice::ops {

struct SeriesBlock;

// The request family of one worker. finished() is for the worker's thread alone: one look-up in its own table, then
// relaxed stores; it allocates only when a (series, status, method) is seen for the first time. The readers' side
// belongs to Metrics.
class WorkerMetrics {
 public:
  // More blocks than `max_blocks` are not made; their requests are counted by overflow() alone.
  explicit WorkerMetrics(std::size_t max_blocks = 200'000);
  ~WorkerMetrics();
  WorkerMetrics(const WorkerMetrics&) = delete;
  WorkerMetrics& operator=(const WorkerMetrics&) = delete;

  void finished(const ExchangeRecord& record) noexcept {
    stage(record);
    flush();
  }
  // The same in two steps: with thousands of routes each block lies in cold memory, so that its lines are asked for
  // when a request is staged and written to at the end of the loop's turn, when they have come.
  void stage(const ExchangeRecord& record) noexcept;
  // Whether this series, status and method has been counted here before: then the record's names are not looked at.
  bool knows(const ExchangeRecord& record) const noexcept;
  void flush() noexcept;
  std::uint64_t overflow() const noexcept { return overflow_.get(); }  // any thread
  std::size_t blocks() const noexcept { return blocks_.get(); }        // any thread: blocks in the worker's table

 private:
  friend class Metrics;
  struct Slot {
    std::uint64_t key = 0;
    SeriesBlock* block = nullptr;
  };
  static constexpr std::size_t kStaged = 64;
  struct Staged {
    SeriesBlock* block;
    std::uint64_t seen, request_length, bytes_sent;
    float request_seconds, response_seconds, header_seconds, connect_seconds;
    bool attempted;
  };
  std::size_t slot_of(std::uint64_t key) const noexcept;
  SeriesBlock* find_or_make(const ExchangeRecord& record, std::uint64_t key) noexcept;
  bool grow() noexcept;
  void sweep() noexcept;
  void erase(std::size_t index) noexcept;

  const std::size_t max_blocks_;
  std::vector<Slot> slots_;
  std::array<Staged, kStaged> staged_;
  std::size_t staged_count_ = 0;
  std::size_t used_ = 0;
  std::size_t sweep_at_ = 0;
  Counter overflow_, blocks_;
  std::atomic<SeriesBlock*> head_{nullptr};     // newest first; the worker pushes, a reader unlinks behind the head
  std::atomic<std::uint32_t> sweep_wanted_{0};  // passes that readers asked for
  std::uint32_t sweep_done_ = 0;
};

// All metrics of the process: sums the workers and the controller's state into the Prometheus text format 0.0.4.
// Every function may be called by any thread, except where said. Readers exclude each other, never a worker.
class Metrics {
 public:
  struct Identity {
    std::string controller_namespace;  // default: environment POD_NAMESPACE
    std::string controller_pod;        // default: environment POD_NAME, else the host name
    std::string controller_class = "k8s.io/ingress-nginx";
    std::string version, commit;
    static Identity from_environment(std::string version, std::string commit);
  };
  // Cumulative figures of the access log.
  struct LogFigures {
    std::uint64_t lines = 0, lost = 0, bytes = 0, write_errors = 0;
  };

  explicit Metrics(Identity identity);
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // A worker's blocks live as long as the Metrics, so that its counts stay when the worker is gone.
  std::shared_ptr<WorkerMetrics> add_worker();
  // `stats` must stay valid until unwatch(); then its counters are kept and its gauges dropped.
  void watch(const WorkerStats* stats);
  void unwatch(const WorkerStats* stats);
  void set_log_figures(std::function<LogFigures()> read);
  // How many endpoints are left out at the moment for what became of requests, and how many are unwell as checks say.
  struct EndpointHealth {
    std::size_t ejected = 0, unwell = 0;
  };
  void set_endpoint_health(std::function<EndpointHealth()> read);

  void set_state(ControllerState state);
  // Changes part of the state under the mutex: metrics.update([](ControllerState& s) { s.ready = true; });
  void update(const std::function<void(ControllerState&)>& change);

  // Content type "text/plain; version=0.0.4; charset=utf-8".
  std::string scrape();
  // The page of nginx's stub_status, byte for byte in its form: text/plain. Of counts that ended workers left, those
  // that only grow are in it.
  std::string stub_status();

  // Gives back the memory of series that are gone: blocks whose series number is not live and which counted nothing
  // for `idle_seconds` by `now` (Unix seconds). Takes two calls and some traffic on the worker between them: a block
  // is first marked, then let go by its worker, then freed here. Call every few minutes, not on a worker.
  void forget(const std::function<bool(std::uint32_t series)>& live, std::int64_t now,
              std::int64_t idle_seconds = 3600);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::ops
