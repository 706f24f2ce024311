#pragma once
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "data/balance/draw.h"
#include "data/balance/load_bound.h"
#include "data/balance/placement.h"
#include "data/balance/turns.h"

namespace sluice::data {

// The first endpoint behind the key's place that may have the request. `Way` leads from keys to endpoints:
// Way::find(placement, key, takes) as Ring::find and MaglevTable::find.
template <class Way>
class ByKey final : public Policy {
 public:
  explicit ByKey(std::uint64_t seed) : turns_(seed) {}
  std::size_t pick(const Candidates& c) noexcept override {
    if (c.takers.empty()) return kNobody;
    // Without a key there is nothing to keep together: one endpoint would have all of them.
    if (c.key.empty() || !places_) return turns_.pick(c);
    if (bound_.is_set())
      if (const auto at = within_bound(c); at != Ring::kGone) return at;
    auto at = Way::find(*places_, c.key, [&](std::uint32_t i) { return takes_[i] != 0 && !c.was_tried(i); });
    if (at == Ring::kGone) at = Way::find(*places_, c.key, [&](std::uint32_t i) { return takes_[i] != 0; });
    if (at != Ring::kGone && !c.was_tried(at)) return at;
    // All that were asked take no requests, or were tried: the same one for the key nevertheless, while they do so.
    return c.takers[untried_from(c, Ring::hash(c.key) % c.takers.size())];
  }
  void reconcile(const Members& m) override {
    places_ = m.placement;
    takes_.assign(m.endpoints.size(), 0);
    for (const auto at : m.takers) takes_[at] = 1;
    bound_.reconcile(m);
  }

 private:
  // Places that are asked for one within the bound. With 125 per cent a fifth of the endpoints or more are, whatever
  // the keys, so that five places are asked on average at worst.
  static constexpr std::uint32_t kMostAsked = 128;

  std::uint32_t within_bound(const Candidates& c) const noexcept {
    const std::uint64_t most = bound_.most(c.takers.size());
    std::uint32_t asked = 0;
    bool found = false;
    const auto at = Way::find(*places_, c.key, [&](std::uint32_t i) {
      found = takes_[i] != 0 && c.endpoints[i]->in_flight < most && !c.was_tried(i);
      return found || ++asked >= kMostAsked;
    });
    return found ? at : Ring::kGone;
  }

  std::shared_ptr<const Placement> places_;
  std::vector<std::uint8_t> takes_;  // one for each endpoint
  LoadBound bound_;
  Turns turns_;
};

}  // namespace sluice::data
