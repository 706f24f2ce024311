#include "data/balance/turns.h"

namespace sluice::data {

namespace {
class RoundRobin final : public Policy {
 public:
  explicit RoundRobin(std::uint64_t seed) : turns_(seed) {}
  std::size_t pick(const Candidates& c) noexcept override { return turns_.pick(c); }

 private:
  Turns turns_;
};
}  // namespace

extern const PolicyRow kRoundRobin;
const PolicyRow kRoundRobin{
    .name = "round_robin",
    .make = [](std::uint64_t seed) -> std::unique_ptr<Policy> { return std::make_unique<RoundRobin>(seed); },
    .doc = "one after the other, beginning at a random endpoint in each worker"};

}  // namespace sluice::data
