#include "control/kube/source_ranges.h"

#include <utility>

namespace sluice::control {

model::Shared<model::SourceRanges> source_ranges(const model::Options& options,
                                                 const std::optional<std::vector<model::Cidr>>& allowlist,
                                                 const std::optional<std::vector<model::Cidr>>& denylist) {
  model::SourceRanges ranges{.denied = options.denylist_source_range, .allowed = options.whitelist_source_range};
  if (denylist) ranges.denied = *denylist;
  if (allowlist) ranges.allowed = *allowlist;
  if (ranges == model::SourceRanges{} && !options.block_cidrs.empty()) ranges = {options.block_cidrs, {}, true};
  if (ranges == model::SourceRanges{}) return {};
  return ranges;
}

}  // namespace sluice::control
