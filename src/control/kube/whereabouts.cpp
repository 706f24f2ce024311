#include "control/kube/whereabouts.h"

#include <algorithm>

namespace sluice::control {

Whereabouts::Whereabouts(Core& core, Clusters& clusters) : core_(core), clusters_(clusters) {
  core.zone = Text(core.settings.zone);
  if (core.zone.empty() && !core.settings.node.empty()) core.references.all_of<EndpointSlice>(*this);
}

void Whereabouts::came(const ObjectPtr& object) {
  if (!core_.zone.empty()) return;
  for (const SliceEndpoint& e : std::get<EndpointSlice>(*object).endpoints) {
    if (e.node != core_.settings.node || e.zone.empty()) continue;
    core_.zone = e.zone;
    if (core_.model->options->topology_aware_routing) clusters_.mark_all();
    return;
  }
}

}  // namespace sluice::control
