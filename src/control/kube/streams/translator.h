#pragma once
#include <map>
#include <set>
#include <string>

#include "control/kube/clusters.h"
#include "control/kube/own_addresses.h"
#include "model/stream_listener.h"

namespace sluice::control {

// More of one transport are refused.
inline constexpr std::size_t kMostStreams = 4096;

// Translates the ConfigMaps that --tcp-services-configmap and --udp-services-configmap name: ports that lead to
// Services. One thread.
class StreamTranslator final : public Dependant {
 public:
  StreamTranslator(Core& core, Clusters& clusters, OwnAddresses& own);

  void mark(const std::string&) override { dirty_ = true; }
  bool dirty() const noexcept { return dirty_; }
  void rebuild(model::Change& change);
  // Once the Clusters are made: ports behind which nobody is.
  void report(const model::Change& change);

 private:
  void read(model::Transport transport, LookUp& look_up, model::StreamListeners& out, Entries& entries);

  Core& core_;
  Clusters& clusters_;
  OwnAddresses& own_;
  const std::string part_ = "streams";
  References::Uses names_;              // the ConfigMaps
  std::string config_maps_[2];          // "ns/name" by Transport; empty: none
  bool asked_for_[2] = {false, false};  // by a flag: one that is missing is said
  bool dirty_ = true, first_ = true;
  std::map<std::string, Names> leads_;  // a port, as a user of Clusters → where it leads
  std::set<std::string> lead_to_;       // all of that
};

}  // namespace sluice::control
