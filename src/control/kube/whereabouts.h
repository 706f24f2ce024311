#pragma once
#include "control/kube/clusters.h"
#include "control/kube/core.h"

namespace sluice::control {

// The zone that we run in (Core::zone), where nobody has said it: EndpointSlices tell of each pod its node and that
// node's zone, so that any pod of our node tells ours, and no Node has to be read. What was learned stays: nodes do not
// move. One thread.
class Whereabouts final : public Dependant {
 public:
  Whereabouts(Core& core, Clusters& clusters);
  void came(const ObjectPtr& object) override;

 private:
  Core& core_;
  Clusters& clusters_;
};

}  // namespace sluice::control
