#pragma once
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "data/balance/policy.h"
#include "data/routing/route_table.h"
#include "model/model.h"
#include "net/io/socket.h"

// The runtime of Clusters on one worker: endpoint state, kept while identities stay the same and
// reconciled, never rebuilt, when a Cluster changes.
namespace sluice::data {

class H2Client;
class PooledConnection;
class Worker;
struct SlotWait;

// One endpoint on one worker. Lives as long as its Cluster names it or a connection to it is in use.
struct EndpointRuntime {
  std::string text;      // "10.0.0.1:8080"
  std::string identity;  // address, port and pod: another pod behind the same address is another endpoint
  net::SocketAddress address;
  bool valid = false;             // the address could be understood
  bool question = false;          // model::Cluster::question
  bool retired = false;           // no longer named: connections are closed instead of given back
  std::uint32_t connections = 0;  // open, idle ones included
  std::uint32_t idle = 0;
  std::uint32_t ended_unused = 0;         // connections of HTTP/2 that ended before a stream was opened, counted
  PooledConnection* idle_head = nullptr;  // last in, first out
  std::vector<H2Client*> h2;              // that take, or will take, streams; oldest first
  std::deque<SlotWait*> waiting;          // for a connection; first in, first out; at most upstream-max-pending
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
  bool outside() const noexcept { return spec_->outside; }
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

}  // namespace sluice::data
