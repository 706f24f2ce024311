#include "data/balance/policy.h"

namespace sluice::data {

namespace {
class RoundRobin final : public Policy {
 public:
  explicit RoundRobin(std::uint64_t seed) : next_(seed) {}
  std::size_t pick(const Candidates& c) noexcept override {
    const std::size_t n = c.usable.size();
    if (n == 0) return 0;
    std::size_t fallback = n;
    const std::size_t from = next_ % n;
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t at = from + i < n ? from + i : from + i - n;
      if (!c.takes(at)) continue;
      if (!c.was_tried(at)) {
        next_ = at + 1;
        return at;
      }
      if (fallback == n) fallback = at;
    }
    if (fallback != n) next_ = fallback + 1;
    return fallback;
  }

 private:
  std::size_t next_;  // workers start at different places, so that they do not move in step
};
}  // namespace

std::unique_ptr<Policy> make_round_robin(std::uint64_t seed) {
  return std::make_unique<RoundRobin>(seed);
}

}  // namespace sluice::data
