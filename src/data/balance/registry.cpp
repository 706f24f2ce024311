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
  switch (balancing->load_balance) {
    case model::LoadBalance::ewma:
      return kEwma;
    case model::LoadBalance::least_request:
      return kLeastRequest;
    case model::LoadBalance::random:
      return kRandom;
    case model::LoadBalance::prequal:
      return kPrequal;
    case model::LoadBalance::round_robin:
      break;
  }
  return kRoundRobin;
}

}  // namespace sluice::data
