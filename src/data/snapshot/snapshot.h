#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/routing/route_table.h"
#include "model/model.h"

namespace sluice::net::tls {
class CertificateTable;
class ContextSource;
}  // namespace sluice::net::tls

// The compiled, immutable form of a Model that workers serve from, and how it changes.
namespace sluice::data {

class StreamTable;

// Everything a worker needs to route and to shake hands. Shared by all workers; never changes once published.
// Freed on the control thread (the Publisher keeps the last reference until every worker has moved on).
struct Snapshot {
  std::uint64_t version = 0;
  std::shared_ptr<const RouteTable> routes;
  std::shared_ptr<const net::tls::CertificateTable> certificates;
  std::shared_ptr<const net::tls::ContextSource> contexts;  // of hosts with TLS policies; null: there are none
  std::shared_ptr<const model::Options> options;
  std::shared_ptr<const model::OwnListeners> own;  // null: not known
  std::shared_ptr<const Plan> process[2];          // what holds for all requests, by Peer::secured; null: nothing
  std::shared_ptr<const StreamTable> streams;      // never null
  std::uint16_t https_port = 0;                    // of our first listener of TLS; 0: there is none
};

class Placement;

// A Cluster by number. Numbers are dense and are reused after a Cluster is gone; Routes of the same publication are
// right about them, so a worker applies `clusters` and `snapshot` in one step.
struct ClusterUpdate {
  ClusterId id = 0;
  std::shared_ptr<const model::Cluster> cluster;  // null: gone
  std::shared_ptr<const Placement> placement{};   // of the Cluster; null: its policy goes by no key
};

struct Publication {
  std::shared_ptr<const Snapshot> snapshot;
  std::vector<ClusterUpdate> clusters;  // only what changed since the previous publication
  bool options_changed = false;
  bool report_changed = false;                 // of the Compiler
  std::vector<std::string> certificate_hosts;  // that are shown other certificates than before
  bool fallback_changed = false;               // and so are all that have none of their own
};

}  // namespace sluice::data
