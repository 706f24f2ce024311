#pragma once
#include <coroutine>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "data/balance/policy.h"
#include "data/proxy/streams.h"
#include "data/routing/route_table.h"
#include "model/model.h"
#include "net/io/socket.h"
#include "net/stream.h"
#include "sluice/record.h"

// The runtime of Clusters on one worker: endpoint state and idle connections, kept while identities stay the same and
// reconciled, never rebuilt, when a Cluster changes.
namespace sluice::data {

class H1Client;
class Worker;
class ClusterRuntime;
struct Exchange;
struct EndpointRuntime;

// An exchange that waits for a connection to a full endpoint (upstream-max-connections).
struct SlotWait final : net::Deadline {
  std::coroutine_handle<> handle;
  EndpointRuntime* endpoint = nullptr;
  bool timed_out = false;
  void expired() override;
};

// One endpoint on one worker. Lives as long as its Cluster names it or a connection to it is in use.
struct EndpointRuntime {
  std::string text;      // "10.0.0.1:8080"
  std::string identity;  // address, port and pod: another pod behind the same address is another endpoint
  net::SocketAddress address;
  bool valid = false;             // the address could be understood
  bool retired = false;           // no longer named: connections are closed instead of given back
  std::uint32_t connections = 0;  // open, idle ones included
  std::uint32_t idle = 0;
  H1Client* idle_head = nullptr;  // last in, first out
  std::deque<SlotWait*> waiting;  // first in, first out; at most upstream-max-pending
};

// Shared by the worker's table and the exchanges that pin it; one thread, so the count is a plain one.
class ClusterRuntime {
 public:
  ClusterRuntime(Worker& worker, std::shared_ptr<const model::Cluster> spec, std::uint64_t seed);
  ~ClusterRuntime();
  ClusterRuntime(const ClusterRuntime&) = delete;
  ClusterRuntime& operator=(const ClusterRuntime&) = delete;

  // Takes another form of the same Cluster: endpoints with the same identity keep their state and connections.
  void reconcile(std::shared_ptr<const model::Cluster> spec);
  const model::Cluster& spec() const noexcept { return *spec_; }
  bool available() const noexcept { return available_ > 0; }
  // The policy's choice, null when there is none. `tried`: indexes chosen before by this exchange; the new one is added
  // when there is room.
  std::shared_ptr<EndpointRuntime> pick(std::vector<std::uint32_t>& tried);

  void pin() noexcept { ++pins_; }
  void unpin() noexcept {
    if (--pins_ == 0) delete this;
  }

 private:
  Worker& worker_;
  std::shared_ptr<const model::Cluster> spec_;
  std::vector<std::shared_ptr<EndpointRuntime>> endpoints_;
  std::vector<std::uint8_t> usable_;
  std::size_t available_ = 0;
  std::unique_ptr<Policy> policy_;
  std::uint32_t pins_ = 1;
};

// Idle connections of one worker: one LRU bound for all, last in first out for each endpoint.
class IdlePool {
 public:
  explicit IdlePool(Worker& worker);
  ~IdlePool();
  IdlePool(const IdlePool&) = delete;
  IdlePool& operator=(const IdlePool&) = delete;
  // A connection that suits, or null. `tls_key`: the TLS settings it was made with, null for plain. `careful`: for
  // requests that cannot be sent again, so that the pod's having closed is noticed before and not after.
  std::unique_ptr<H1Client> take(EndpointRuntime& endpoint, const void* tls_key, bool careful);
  // Keeps it, or closes it when a limit or its endpoint says so.
  void put(std::unique_ptr<H1Client> connection);
  // Nobody takes them any more; they are closed a few at a time, between requests.
  void close_all(EndpointRuntime& endpoint);
  void close_everything();
  std::size_t size() const noexcept { return size_; }

 private:
  friend class H1Client;
  void unlink(H1Client& c) noexcept;
  void close_some();
  static void on_activity(void* context, bool broken);
  Worker& worker_;
  H1Client* newest_ = nullptr;
  H1Client* oldest_ = nullptr;
  std::size_t size_ = 0;
  std::vector<std::unique_ptr<H1Client>> doomed_;
};

// Tells the queue of an endpoint that one of its connections is gone.
void closed(Worker& worker, EndpointRuntime& endpoint);

// A connection to `endpoint`, reused or new (then connected, and shaken hands with for https).
net::Task<Result<Lease>> lease(Worker& worker, Exchange& ex, std::shared_ptr<EndpointRuntime> endpoint, bool fresh,
                               Attempt& attempt);

}  // namespace sluice::data
