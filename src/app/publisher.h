#pragma once
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "app/news.h"
#include "app/stream_ports.h"
#include "control/control.h"
#include "data/compiler/compiler.h"
#include "data/server/worker.h"
#include "model/fingerprint.h"
#include "ops/metrics/metrics.h"

namespace sluice::app {

// Takes Updates on the control thread, compiles them and hands the Publication to every worker. Keeps a reference to
// each Snapshot until no worker uses it, so that it is freed here and never inside a request.
class Publisher {
 public:
  Publisher(std::vector<std::unique_ptr<data::Worker>>& workers, ops::Metrics& metrics, StreamPorts& ports,
            std::function<void(const model::Options&)> on_options);

  // Control thread. Throws std::bad_alloc when there is no memory for it: workers may have all of it or nothing by
  // then, and the next Update must be one of everything.
  void publish(const control::Update& update);
  // Says what of an Update that was published is news. It waits for whoever reads the log, hence by itself.
  void tell(const control::Update& update);
  // Any thread; for admin pages.
  std::vector<std::shared_ptr<const model::Cluster>> clusters() const;  // by ClusterId; null: unused
  model::Report report() const;
  std::shared_ptr<const data::Snapshot> snapshot() const;
  bool ready() const { return ready_.load(); }
  // Tries again to open ports that could not be opened; every few seconds, any thread but a worker's. Throws
  // std::bad_alloc: it is tried the next time.
  void retry_ports();
  // Brings the figures up to date that cost a walk over all routes; before a scrape, any thread.
  void count_orphans();
  // Lets go of metric series of routes that are gone (ops::Metrics::forget), at `now` in Unix seconds. Every few
  // minutes, any thread but a worker's. Throws std::bad_alloc: nothing was done then.
  void forget_series(std::int64_t now);

 private:
  void publish_now(const control::Update& update);
  void keep(const control::Update& update, const data::Publication& publication);
  void tally_problems();
  std::vector<ops::ProblemCount> problem_counts() const;
  void take_port_problems();
  void tell_metrics(const control::Update& update, double seconds);
  void look_at_certificates(const control::Update& update, const data::Publication& publication);
  std::vector<std::unique_ptr<data::Worker>>& workers_;
  ops::Metrics& metrics_;
  StreamPorts& ports_;
  std::function<void(const model::Options&)> on_options_;
  data::Compiler compiler_;
  std::shared_ptr<net::tls::ServerContext> server_tls_;
  std::vector<std::shared_ptr<const data::Snapshot>> retired_;
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<const model::Cluster>> clusters_;
  std::shared_ptr<const data::Snapshot> snapshot_;
  model::Report model_report_, compile_report_, port_report_;
  std::uint64_t orphans_of_ = 0;  // version that they were counted for
  std::atomic<bool> ready_{false};
  // Kept from change to change, so that a change costs what changed.
  std::vector<ops::ProblemCount> problems_;
  std::set<std::string> refused_secrets_;  // as lines of the Report
  std::uint64_t endpoints_ = 0, refused_ = 0, reloads_ = 0, reload_errors_ = 0, certificate_refusals_ = 0;
  std::size_t errors_ = 0;
  std::shared_ptr<const data::StreamTable> told_streams_;  // to the metrics
  model::Fingerprint fingerprint_;
  News news_;
  bool reported_ = false;  // the last Update brought another Report
};

}  // namespace sluice::app
