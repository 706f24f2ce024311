#include "data/balance/draw.h"

namespace sluice::data {

namespace {

// So many are all looked at: two by chance would leave the idle one of three aside as often as not.
constexpr std::size_t kFewForRequests = 8;

class LeastRequest final : public Policy {
 public:
  explicit LeastRequest(std::uint64_t seed) : chance_(seed) {}
  std::size_t pick(const Candidates& c) noexcept override {
    return pick_better(c, chance_, kFewForRequests,
                       [](const EndpointLoad& a, const EndpointLoad& b) { return a.in_flight < b.in_flight; });
  }

 private:
  Chance chance_;
};

}  // namespace

extern const PolicyRow kLeastRequest;
const PolicyRow kLeastRequest{
    .name = "least_request",
    .make = [](std::uint64_t seed) -> std::unique_ptr<Policy> { return std::make_unique<LeastRequest>(seed); },
    .doc = "the one with the fewest requests in flight of two by chance, or of all where they are few"};

}  // namespace sluice::data
