#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ops/access_log/format.h"
#include "sluice/record.h"

// One line a request, written off the hot path. A worker formats into a ring of its own; one thread drains the rings
// to the destination. A destination that blocks, is full or has gone never makes a worker wait: lines are lost and
// counted, and the writer tries again.
namespace sluice::ops {

class AccessLog;

// The worker's end. write() is for one thread.
class WorkerLog {
 public:
  ~WorkerLog();
  WorkerLog(const WorkerLog&) = delete;
  WorkerLog& operator=(const WorkerLog&) = delete;
  // Never blocks and never allocates. The line has the format that `wanted` of the record is of; without it the last
  // one that wants nothing, or the last one of all.
  void write(const ExchangeRecord& record) noexcept;
  // Sets `wanted` to what lines want beside the record since the last configure(); null: nothing. What exchanges hold
  // on to of it tells write() the format of their lines.
  void renew(std::shared_ptr<const WantedValues>& wanted) noexcept;
  // False: write() will not look at the record. Decided without the route's names.
  bool may_write(const ExchangeRecord& record) noexcept;

 private:
  friend class AccessLog;
  struct Impl;
  explicit WorkerLog(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

class AccessLog {
 public:
  struct Stats {
    std::uint64_t lines = 0;  // taken by a worker
    std::uint64_t lost = 0;   // dropped: ring full, or left over when the process ended or the destination changed
    std::uint64_t bytes = 0;  // written to the destination
    std::uint64_t write_errors = 0;  // failed writes and opens
  };

  // Starts the writer thread. A destination that cannot be opened is no error here: it is tried again each second.
  explicit AccessLog(AccessLogSettings settings, std::size_t ring_bytes = 4 << 20);
  // Writes what is left for at most a second, then ends the thread. Every WorkerLog must be idle by then.
  ~AccessLog();
  AccessLog(const AccessLog&) = delete;
  AccessLog& operator=(const AccessLog&) = delete;

  std::shared_ptr<WorkerLog> add_worker();
  // Format and destination from now on; any thread. Returns one sentence for each thing that will not work as written
  // (unknown variables).
  std::vector<std::string> configure(AccessLogSettings settings);
  // Closes and opens the file again (after a rotation); any thread but no signal handler.
  void reopen();
  // Waits until everything taken so far is written, at most `milliseconds`. False when it was not.
  bool flush(int milliseconds);
  Stats stats() const;  // any thread

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::ops
