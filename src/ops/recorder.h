#pragma once
#include <memory>

#include "ops/access_log/access_log.h"
#include "ops/failure_log/failure_log.h"
#include "ops/metrics/metrics.h"
#include "sluice/record.h"

namespace sluice::ops {

// What a worker tells about its exchanges: counted, logged, and told to the operator when they failed. One for each
// worker, made before it starts; finished() on its thread only. What is given must outlive it.
class WorkerRecorder final : public Recorder {
 public:
  WorkerRecorder(Metrics& metrics, AccessLog& log, FailureLog& failures)
      : metrics_(metrics.add_worker()), log_(log.add_worker()), failures_(failures) {
    log_->renew(wanted);
  }
  void finished(const ExchangeRecord& record) noexcept override {
    if (!record.stream) metrics_->stage(record);  // what is counted there are requests
    log_->write(record);
    failures_.finished(record);
  }
  bool wants_names(const ExchangeRecord& record) noexcept override {
    return log_->may_write(record) || FailureLog::wants(record) || !metrics_->knows(record);
  }
  void complained(std::string_view peer, const char* what) noexcept override { failures_.complained(peer, what); }
  void noticed(std::string_view pod, const char* what) noexcept override { failures_.noticed(pod, what); }
  void health_changed(const HealthNews& news) noexcept override { failures_.health_changed(news); }
  void said(const PodWords& words) noexcept override { failures_.said(words); }
  void turn_over() noexcept override {
    metrics_->flush();
    log_->renew(wanted);
  }

 private:
  std::shared_ptr<WorkerMetrics> metrics_;
  std::shared_ptr<WorkerLog> log_;
  FailureLog& failures_;
};

}  // namespace sluice::ops
