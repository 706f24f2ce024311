#pragma once
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "control/control.h"
#include "data/server/worker.h"
#include "data/snapshot/snapshot.h"
#include "ops/metrics/metrics.h"

namespace sluice::app {

// Takes Updates on the control thread, compiles them and hands the Publication to every worker. Keeps a reference to
// each Snapshot until no worker uses it, so that it is freed here and never inside a request.
class Publisher {
 public:
  Publisher(std::vector<std::unique_ptr<data::Worker>>& workers, ops::Metrics& metrics,
            std::function<void(const model::Options&)> on_options);

  void publish(control::Update update);  // control thread
  // Any thread; for admin pages.
  std::vector<std::shared_ptr<const model::Cluster>> clusters() const;  // by ClusterId; null: unused
  model::Report report() const;
  std::shared_ptr<const data::Snapshot> snapshot() const;
  bool ready() const { return ready_.load(); }

 private:
  void tell_metrics(const control::Update& update, double seconds);
  void look_at_certificates(const control::Update& update);
  void forget_old();
  std::vector<std::unique_ptr<data::Worker>>& workers_;
  ops::Metrics& metrics_;
  std::function<void(const model::Options&)> on_options_;
  data::Compiler compiler_;
  std::shared_ptr<net::tls::ServerContext> server_tls_;
  std::vector<std::shared_ptr<const data::Snapshot>> retired_;
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<const model::Cluster>> clusters_;
  model::Report model_report_;
  std::shared_ptr<const data::Snapshot> snapshot_;
  model::Report compile_report_;
  std::atomic<bool> ready_{false};
  std::map<std::string, ops::CertificateState> certificates_;  // by host name
  std::uint64_t reloads_ = 0, reload_errors_ = 0;
  std::size_t last_errors_ = 0;
};

}  // namespace sluice::app
