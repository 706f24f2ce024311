#include <algorithm>
#include <iterator>

#include "data/balance/policy.h"

namespace sluice::data {

extern const PolicyRow kRoundRobin, kEwma, kLeastRequest, kRandom, kPrequal, kConsistentHash, kMaglev, kHashToSubset,
    kStickyBalanced, kStickyPersistent;

namespace {
constexpr const PolicyRow* kPolicies[] = {
    &kRoundRobin,      //
    &kEwma,            //
    &kLeastRequest,    //
    &kRandom,          //
    &kPrequal,         //
    &kConsistentHash,  //
    &kMaglev,          //
    &kHashToSubset,    //
    &kStickyBalanced,  //
    &kStickyPersistent,
};
}  // namespace

std::span<const PolicyRow* const> policies() {
  return kPolicies;
}

const PolicyRow& policy_of(const model::Balancing* balancing) noexcept {
  if (balancing == nullptr) return kRoundRobin;
  if (balancing->affinity) return balancing->affinity->persistent ? kStickyPersistent : kStickyBalanced;
  if (const auto& by = balancing->hash_by)
    return by->subset ? kHashToSubset : by->policy == model::HashPolicy::maglev ? kMaglev : kConsistentHash;
  const auto name = to_string(balancing->load_balance);
  const auto* const row = std::ranges::find(kPolicies, name, &PolicyRow::name);
  return row != std::end(kPolicies) ? **row : kRoundRobin;
}

}  // namespace sluice::data
