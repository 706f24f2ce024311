#include "data/balance/draw.h"

namespace sluice::data {

namespace {

class Random final : public Policy {
 public:
  explicit Random(std::uint64_t seed) : chance_(seed) {}
  std::size_t pick(const Candidates& c) noexcept override {
    if (c.takers.empty()) return kNobody;
    return c.takers[untried_from(c, chance_.below(c.takers.size()))];
  }

 private:
  Chance chance_;
};

}  // namespace

extern const PolicyRow kRandom;
const PolicyRow kRandom{
    .name = "random",
    .make = [](std::uint64_t seed) -> std::unique_ptr<Policy> { return std::make_unique<Random>(seed); },
    .doc = "anyone by chance, whatever the others have"};

}  // namespace sluice::data
