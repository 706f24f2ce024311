#pragma once
#include <vector>

#include "control/kube/clusters.h"
#include "control/kube/core.h"
#include "model/stream_listener.h"

namespace sluice::control {

// Where we listen ourselves, by all ways that lead there (Core::own): nothing that is passed on may. One thread.
class OwnAddresses final : public Dependant {
 public:
  OwnAddresses(Core& core, Clusters& clusters);

  void came(const ObjectPtr& object) override { touched(*object); }
  void went(const Object& object) override { touched(object); }
  // Where this machine is reached has been looked up again.
  void reached_by(std::vector<model::Ip> addresses);
  // These ports are ours too.
  void listen_at(const model::StreamListeners& streams);

  bool dirty() const noexcept { return changed_ || replicas_changed_; }
  void rebuild(model::Change& change);

 private:
  void touched(const Object& object);
  void find_replicas();
  void reach();  // judges anew what may lead to us

  Core& core_;
  Clusters& clusters_;
  bool changed_ = false;
  std::vector<model::Ip> interfaces_;  // of this machine
  // Other ways to listeners like ours: pods that share a Service of our namespace with our pod, and its own address.
  std::vector<model::Ip> replicas_;
  std::vector<std::pair<model::Ip, std::uint16_t>> service_addresses_, service_datagrams_;
  bool replicas_changed_ = false;  // there may be others
};

}  // namespace sluice::control
