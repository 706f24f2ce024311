#pragma once
#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "base/token_bucket.h"
#include "control/source/cluster/backoff.h"
#include "control/source/cluster/complaint.h"
#include "control/source/cluster/status_writer.h"
#include "control/source/cluster/turns.h"
#include "control/source/cluster/waiter.h"
#include "model/report.h"

namespace sluice::control::cluster {

// Makes Events (v1) of what the Report says about objects. The name of an Event follows from the words and from the
// version of the Ingress, so that replicas and restarts do not say the same twice. The thread of the io_context.
class EventWriter {
 public:
  // That wait, of one namespace; further ones are not made, and a log line says how many.
  static constexpr std::size_t kMost = 1000;
  static constexpr unsigned kBurst = 25;
  static constexpr auto kEach = std::chrono::milliseconds(200);  // after the burst

  EventWriter(boost::asio::io_context& io, const Access& access, Credentials& credentials, std::string instance,
              std::function<StatusWriter::Identity(const std::string&)> known, std::function<bool()> may,
              std::uint64_t seed);
  void start();
  // The errors and warnings of the Report as it is now.
  void report(std::vector<model::Entry> entries);
  // `may` answers differently.
  void review();
  void stop();

  // Any thread.
  std::uint64_t written() const noexcept { return written_; }
  std::uint64_t failures() const noexcept { return failures_; }

 private:
  boost::asio::awaitable<void> run();
  boost::asio::awaitable<void> write(model::Entry entry);

  boost::asio::io_context& io_;
  ApiClient client_;
  Waiter waiter_;
  Backoff backoff_;
  std::string instance_;
  std::function<StatusWriter::Identity(const std::string&)> known_;
  std::function<bool()> may_;
  std::vector<model::Entry> report_;
  std::set<std::string> told_;  // lines of report_ that were queued
  Turns<model::Entry> queue_;
  TokenBucket allowance_;
  Complaint complaint_;
  std::atomic<std::uint64_t> written_{0}, failures_{0};
};

}  // namespace sluice::control::cluster
