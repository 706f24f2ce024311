#pragma once
#include <optional>
#include <vector>

#include "model/model.h"

namespace sluice::control {

// Whose requests are taken where an Ingress says this of its own. Its lists stand in place of the ConfigMap's, and
// block-cidrs counts where there are neither, as in ingress-nginx. Null: everybody's.
model::Shared<model::SourceRanges> source_ranges(const model::Options& options,
                                                 const std::optional<std::vector<model::Cidr>>& allowlist,
                                                 const std::optional<std::vector<model::Cidr>>& denylist);

}  // namespace sluice::control
