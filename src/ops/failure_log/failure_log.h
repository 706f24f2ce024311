#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "sluice/record.h"

// Why requests failed that the client did not make fail, connections that never came to one, and what pods of FastCGI
// wrote to standard error: lines of the program
// log for the operator. Off the hot path, and never more than a few lines a second however much fails.
namespace sluice::ops {

class FailureLog {
 public:
  static constexpr std::size_t kQueue = 256;        // failures that wait for the thread; more are only counted
  static constexpr std::size_t kQueueOfWords = 64;  // what pods said gets no place beyond these: failures come first
  static constexpr std::size_t kLinesASecond = 8;   // kinds that get a line; a kind is status, reason and route

  // `line` gets each line, on a thread of this object's own.
  explicit FailureLog(std::function<void(const std::string&)> line);
  // Writes what is left.
  ~FailureLog();
  FailureLog(const FailureLog&) = delete;
  FailureLog& operator=(const FailureLog&) = delete;

  // Any worker. Never waits for the log: what finds the queue full is counted with the next line.
  void finished(const ExchangeRecord& record) noexcept {
    if (wants(record)) take(record);
  }
  // As Recorder::complained; the kind is `what`.
  void complained(std::string_view peer, const char* what) noexcept;
  // As Recorder::noticed; each pod is a kind.
  void noticed(std::string_view pod, const char* what) noexcept;
  // As Recorder::health_changed; those of a Service port that go one way are a kind.
  void health_changed(const HealthNews& news) noexcept;
  // As Recorder::said; the kind is the Ingress.
  void said(const PodWords& words) noexcept;
  static bool wants(const ExchangeRecord& record) noexcept { return !record.reason.empty() && record.ours; }

 private:
  void take(const ExchangeRecord& record) noexcept;
  template <class Make>
  void put(Make&& make, std::size_t places = kQueue) noexcept;
  void run();
  void tell(std::vector<std::pair<std::string, std::string>> batch, std::uint64_t more);

  const std::function<void(const std::string&)> line_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::pair<std::string, std::string>> queue_;  // kind, line
  std::atomic<std::uint64_t> uncounted_{0}, unheard_{0};
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace sluice::ops
