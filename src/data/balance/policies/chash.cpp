#include "data/balance/by_key.h"

namespace sluice::data {

namespace {

// On the ring others who leave or come change nothing for an endpoint's keys.
struct OnTheRing {
  template <class Takes>
  static std::uint32_t find(const Placement& places, std::string_view key, Takes&& takes) noexcept {
    return places.ring().find(key, std::forward<Takes>(takes));
  }
};

}  // namespace

extern const PolicyRow kConsistentHash;
const PolicyRow kConsistentHash{
    .name = "chash",
    .make = [](std::uint64_t seed) -> std::unique_ptr<Policy> { return std::make_unique<ByKey<OnTheRing>>(seed); },
    .key = PolicyRow::Key::hash,
    .places = PolicyRow::Places::ring,
    .doc = "by the hash of the request's key; one that leaves moves its own keys alone"};

}  // namespace sluice::data
