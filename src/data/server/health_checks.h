#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "data/proxy/health_question.h"
#include "data/runtime/check_turns.h"
#include "data/runtime/worker_context.h"

namespace sluice::data {

// The health checks that one worker makes. Each endpoint of a namespace is checked by one worker of the process, which
// a hash chooses; what it finds goes into the EndpointHealth that all of them look at. The worker's thread. A check is
// one for as long as a Cluster asks for it and the endpoint takes requests: changes of anything else leave it alone.
class HealthChecks {
 public:
  explicit HealthChecks(WorkerContext& worker);
  ~HealthChecks();
  HealthChecks(const HealthChecks&) = delete;
  HealthChecks& operator=(const HealthChecks&) = delete;

  // After the worker has taken it.
  void follow(const Publication& publication);
  // The worker ends: nobody is checked any more, and what is under way is given up.
  void end() noexcept;

 private:
  struct Checker;
  using CheckerPtr = std::shared_ptr<Checker>;
  struct Asked;  // what a Cluster asks for

  bool is_ours(std::string_view key) const noexcept;
  CheckerPtr join(const std::string& key, ClusterId id, const std::shared_ptr<EndpointRuntime>& endpoint,
                  const std::shared_ptr<const Asked>& asked);
  void leave(Checker& checker, ClusterId id);
  void stop(Checker& checker) noexcept;
  void due(Checker& checker);
  void begin_some();
  net::Task<void> check(CheckerPtr checker);
  void take(Checker& checker, const CheckOutcome& outcome);

  struct Again final : net::Deadline {
    HealthChecks* checks = nullptr;
    void expired() override { checks->begin_some(); }
  };

  WorkerContext& worker_;
  std::vector<std::vector<CheckerPtr>> of_;                         // by ClusterId
  std::unordered_map<std::string, std::vector<CheckerPtr>> known_;  // by namespace and identity
  CheckTurns turns_;
  Again again_;
  bool beginning_ = false;  // begin_some() is under way
  bool ended_ = false;
};

}  // namespace sluice::data
