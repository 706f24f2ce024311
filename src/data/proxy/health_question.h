#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/exchange/exchange.h"
#include "data/proxy/subrequest.h"
#include "data/runtime/borrowed_memory.h"
#include "data/runtime/cluster.h"
#include "model/settings/health_check.h"
#include "net/io/deadlines.h"
#include "net/io/task.h"

namespace sluice::data {

// What one health check has found.
struct CheckOutcome {
  enum class Kind : std::uint8_t {
    well,
    status,       // another one than is expected
    timeout,      // no answer in time
    unconnected,  // no connection
    tls,          // no handshake
    broken,       // an answer that breaks off, or that breaks the rules
    not_serving,  // of gRPC: another word than SERVING
    skipped       // it was not made, or given up, for no fault of the endpoint's
  };
  Kind kind = Kind::skipped;
  std::string reason;  // for the operator; empty where it is well
};

// How requests to endpoints are made that are to be met as `check` says; `of_cluster`: what a Cluster says that they
// speak.
model::RouteSettings way_of(const model::HealthCheck& check, model::BackendProtocol of_cluster);

// One check of one endpoint, by an exchange of our own: connections, TLS, PROXY header and refusals are those of
// requests. Its worker's thread; the Cluster is pinned for as long as it lives, and so are routes and options.
class HealthQuestion {
 public:
  // `check` and `way` (way_of) are borrowed, and outlive it.
  HealthQuestion(WorkerContext& worker, ClusterRuntime& cluster, std::shared_ptr<EndpointRuntime> endpoint,
                 const model::HealthCheck& check, const model::RouteSettings& way);
  ~HealthQuestion();
  HealthQuestion(const HealthQuestion&) = delete;
  HealthQuestion& operator=(const HealthQuestion&) = delete;

  // Awaited once. Takes no longer than the check's timeout.
  net::Task<CheckOutcome> ask();
  // ask() ends soon; what it says then is for nobody.
  void cancel() noexcept;

 private:
  struct Late final : net::Deadline {
    HealthQuestion* question = nullptr;
    void expired() override;
  };
  net::Task<CheckOutcome> converse(Upstream& up);
  net::Task<CheckOutcome> read_grpc_answer(Upstream& up);
  // Of a body so much as is read; how it fails.
  net::Task<Status> read_rest(Upstream& up);
  CheckOutcome failed(const Error& error, bool connected) const;

  WorkerContext& worker_;
  View* const view_;
  ClusterRuntime& cluster_;
  const std::shared_ptr<EndpointRuntime> endpoint_;
  const model::HealthCheck& check_;
  std::string body_;
  std::vector<net::http::Field> fields_;
  Peer peer_;
  BorrowedMemory memory_;
  KeptAnswer nobody_;
  Exchange ex_;
  Attempt attempt_;
  Late late_;
  bool passed_ = false;  // its time has
};

}  // namespace sluice::data
