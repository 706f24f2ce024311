#pragma once
#include "base/variables.h"

namespace sluice::model {

// Host that pods get instead of the client's (upstream-vhost).
struct UpstreamHost {
  Template host;  // with an optional port; groups are those of the rewrite
  bool operator==(const UpstreamHost&) const = default;
};

}  // namespace sluice::model
