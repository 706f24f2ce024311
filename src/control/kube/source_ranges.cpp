#include "control/kube/source_ranges.h"

#include <utility>

#include "control/kube/grammar.h"

namespace sluice::control {

model::Shared<model::SourceRanges> source_ranges(const model::Options& options,
                                                 const std::optional<std::vector<model::Cidr>>& allowlist,
                                                 const std::optional<std::vector<model::Cidr>>& denylist) {
  model::SourceRanges ranges{.denied = denylist.value_or(options.denylist_source_range),
                             .allowed = allowlist.value_or(options.whitelist_source_range)};
  if (ranges == model::SourceRanges{} && !options.block_cidrs.empty()) ranges = {options.block_cidrs, {}, true};
  if (holds_everybody(source_ranges_text(ranges.allowed)).value_or(false)) ranges.allowed.clear();
  if (ranges == model::SourceRanges{}) return {};
  return ranges;
}

}  // namespace sluice::control
