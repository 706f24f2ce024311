#include "data/balance/policy.h"

namespace sluice::data {

std::unique_ptr<Policy> make_round_robin(std::uint64_t seed);

namespace {
constexpr PolicyRow kPolicies[] = {
    {"round_robin", make_round_robin, "one after the other, beginning at a random endpoint in each worker"},
};
}  // namespace

std::span<const PolicyRow> policies() {
  return kPolicies;
}

}  // namespace sluice::data
