#pragma once
#include <memory>

#include "ops/access_log/access_log.h"
#include "ops/metrics/metrics.h"
#include "sluice/record.h"

namespace sluice::ops {

// What a worker tells about its exchanges: counted, then logged. One for each worker, made before it starts; finished()
// on its thread only. `metrics` and `log` must outlive it.
class WorkerRecorder final : public Recorder {
 public:
  WorkerRecorder(Metrics& metrics, AccessLog& log) : metrics_(metrics.add_worker()), log_(log.add_worker()) {}
  void finished(const ExchangeRecord& record) noexcept override {
    metrics_->finished(record);
    log_->write(record);
  }

 private:
  std::shared_ptr<WorkerMetrics> metrics_;
  std::shared_ptr<WorkerLog> log_;
};

}  // namespace sluice::ops
