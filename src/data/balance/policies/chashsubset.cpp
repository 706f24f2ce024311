#include <algorithm>

#include "data/balance/draw.h"
#include "data/balance/placement.h"
#include "data/balance/turns.h"

namespace sluice::data {

namespace {

// Subsets are cut from the endpoints that take requests, in their order; the last one is filled from the first ones. A
// key leads to a subset, and chance to one of it.
class HashToSubset final : public Policy {
 public:
  explicit HashToSubset(std::uint64_t seed) : turns_(seed), chance_(seed) {}
  std::size_t pick(const Candidates& c) noexcept override {
    if (c.takers.empty()) return kNobody;
    if (c.key.empty() || !places_) return turns_.pick(c);
    // More of them than there are takers for: some could not be understood.
    std::uint32_t asked = 0;
    std::size_t chosen = kNobody;
    places_->ring().find(c.key, [&](std::uint32_t set) {
      chosen = one_of(set, c);
      return chosen != kNobody || ++asked > kMostAsked;
    });
    return chosen != kNobody ? chosen : turns_.pick(c);
  }
  void reconcile(const Members& m) override {
    places_ = m.placement;
    size_ = m.balancing.hash_by ? m.balancing.hash_by->subset_size : 1;
  }

 private:
  // Points that are asked for a subset with somebody who was not tried.
  static constexpr std::uint32_t kMostAsked = 64;

  std::size_t one_of(std::uint32_t set, const Candidates& c) noexcept {
    const std::size_t n = c.takers.size();
    const std::size_t from = chance_.below(size_);
    const std::size_t most = std::min(size_, c.tried.size() + 1);
    for (std::size_t i = 0; i < most; ++i) {
      const std::size_t place = from + i < size_ ? from + i : from + i - size_;
      const std::size_t at = c.takers[(set * size_ + place) % n];
      if (!c.was_tried(at)) return at;
    }
    return kNobody;
  }

  std::shared_ptr<const Placement> places_;
  std::size_t size_ = 1;
  Turns turns_;
  Chance chance_;
};

}  // namespace

extern const PolicyRow kHashToSubset;
const PolicyRow kHashToSubset{
    .name = "chashsubset",
    .make = [](std::uint64_t seed) -> std::unique_ptr<Policy> { return std::make_unique<HashToSubset>(seed); },
    .key = PolicyRow::Key::hash,
    .places = PolicyRow::Places::ring_of_subsets,
    .doc = "by the hash of the request's key to a few endpoints, and to one of these by chance"};

}  // namespace sluice::data
