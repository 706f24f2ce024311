#pragma once
#include <utility>

#include "base/result.h"
#include "data/exchange/exchange.h"
#include "data/runtime/cluster.h"
#include "data/runtime/worker_context.h"

// What is counted and noted around one attempt, be it the only one or one of two at once.
namespace sluice::data {

// Another place in the record of `of`, for `endpoint`; of too many the last one is written anew.
Attempt& add_attempt(ExchangeRecord& of, const EndpointRuntime& endpoint) noexcept;

// An attempt begins: ex.attempt, ex.tries and ex.try_until are of it.
void begin_attempt(Exchange& ex, const EndpointRuntime& endpoint) noexcept;

// It was none: the record lists it no longer.
void forget_attempt(Exchange& ex) noexcept;

// It is over: what the record, the endpoint's policy and its health learn from that.
void note_outcome(Exchange& ex, AttemptInFlight& in_flight, const Status& outcome);

// The attempts of `from`, which has asked for the page of an error of `to`, follow those of `to`.
void append_page_attempts(ExchangeRecord& to, const ExchangeRecord& from) noexcept;

// A request that counts for upstream-max-requests until it is over, and for adaptive-concurrency until the head of its
// answer is there: how long its client takes says nothing of its pods.
class RequestOfCluster {
 public:
  explicit RequestOfCluster(Exchange& ex) : ex_(ex) {
    const auto most = ex.options->upstream_max_requests;
    const bool adapts = ex.options->adaptive_concurrency;
    if (most == 0 && !adapts) [[likely]]
      return;
    if (is_full(ex)) {
      is_refused_ = true;
      return;
    }
    ClusterRuntime& cluster = *ex.cluster;
    cluster_ = &cluster;
    cluster.pin();
    ++cluster.requests;
    if (!adapts) return;
    ++cluster.awaited;
    ex.awaited_at = &cluster;
  }
  ~RequestOfCluster() {
    if (cluster_ == nullptr) return;
    if (std::exchange(ex_.awaited_at, nullptr) != nullptr) --cluster_->awaited;
    --cluster_->requests;
    cluster_->unpin();
  }
  RequestOfCluster(const RequestOfCluster&) = delete;
  RequestOfCluster& operator=(const RequestOfCluster&) = delete;
  // Is a limit reached?
  static bool is_full(const Exchange& ex) noexcept {
    const auto most = ex.options->upstream_max_requests;
    const ClusterRuntime& cluster = *ex.cluster;
    return (most != 0 && cluster.requests >= most) ||
           (ex.options->adaptive_concurrency && cluster.awaited >= cluster.adaptive.limit());
  }
  // One was: it does not count, and may not go on.
  bool is_refused() const noexcept { return is_refused_; }

 private:
  Exchange& ex_;
  ClusterRuntime* cluster_ = nullptr;
  bool is_refused_ = false;
};

}  // namespace sluice::data
