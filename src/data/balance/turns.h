#pragma once
#include <cstddef>
#include <cstdint>

#include "data/balance/policy.h"

namespace sluice::data {

// One taker after the other.
class Turns {
 public:
  explicit Turns(std::uint64_t seed) noexcept : next_(seed) {}
  std::size_t pick(const Candidates& c) noexcept {
    const std::size_t n = c.takers.size();
    if (n == 0) return kNobody;
    const std::size_t from = next_ % n;
    if (c.tried.empty()) {
      next_ = from + 1;
      return c.takers[from];
    }
    for (std::size_t i = 0; i < n && i <= c.tried.size(); ++i) {
      const std::size_t at = from + i < n ? from + i : from + i - n;
      if (c.was_tried(c.takers[at])) continue;
      next_ = at + 1;
      return c.takers[at];
    }
    next_ = from + 1;
    return c.takers[from];
  }

 private:
  std::size_t next_;  // workers start at different places, so that they do not move in step
};

}  // namespace sluice::data
