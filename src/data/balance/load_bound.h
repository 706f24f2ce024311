#pragma once
#include <cstdint>
#include <limits>
#include <memory>

#include "data/balance/policy.h"

namespace sluice::data {

// How many requests in flight one endpoint may have for a key's sake (Mirrokni, Thorup and Zadimoghaddam, 2018): so
// many per cent of the mean, rounded up, this request counted. There is always one that has fewer. Counted on this
// worker alone, as in_flight is.
class LoadBound {
 public:
  void reconcile(const Members& m) {
    per_cent_ = m.balancing.hash_by ? m.balancing.hash_by->balance_factor : 0;
    sum_.reset();
    for (EndpointLoad* load : m.endpoints) load->sum.reset();
    if (per_cent_ == 0) return;
    // A new sum: attempts at those that are gone, or take no more requests, count no longer.
    sum_ = std::make_shared<std::uint64_t>(0);
    for (const auto at : m.takers) {
      m.endpoints[at]->sum = sum_;
      *sum_ += m.endpoints[at]->in_flight;
    }
  }
  bool is_set() const noexcept { return sum_ != nullptr; }
  // An endpoint with as many takes no further one. `takers` is not 0.
  std::uint64_t most(std::size_t takers) const noexcept {
    if (!sum_) return std::numeric_limits<std::uint64_t>::max();
    const std::uint64_t whole = per_cent_ * (*sum_ + 1), parts = 100 * std::uint64_t{takers};
    return whole / parts + (whole % parts != 0 ? 1 : 0);
  }

 private:
  std::uint64_t per_cent_ = 0;
  std::shared_ptr<std::uint64_t> sum_;
};

}  // namespace sluice::data
