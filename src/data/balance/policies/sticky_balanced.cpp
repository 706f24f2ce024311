#include <fmt/format.h>

#include "data/balance/draw.h"
#include "data/balance/placement.h"
#include "data/balance/turns.h"

namespace sluice::data {

namespace {

// The key of a session has a place on the ring, as a key of chash: when endpoints come, some sessions move to them.
class StickyBalanced final : public Policy {
 public:
  explicit StickyBalanced(std::uint64_t seed) : turns_(seed), chance_(seed) {}
  std::size_t pick(const Candidates& c) noexcept override {
    if (c.takers.empty()) return kNobody;
    if (!places_ || places_->ring().points().empty()) return turns_.pick(c);
    if (!c.key.empty() && (c.tried.empty() || !moves_)) {
      const auto bound = places_->ring().find(c.key, [&](std::uint32_t i) { return takes_[i] != 0; });
      if (bound != Ring::kGone) return bound;
    }
    if (c.session == nullptr) return turns_.pick(c);
    return begin(c);
  }
  void reconcile(const Members& m) override {
    places_ = m.placement;
    moves_ = m.balancing.affinity && m.balancing.affinity->change_on_failure;
    takes_.assign(m.endpoints.size(), 0);
    for (const auto at : m.takers) takes_[at] = 1;
  }

 private:
  // Keys that are thrown away because they lead where the request has been: more than chance should ever need.
  static constexpr int kMostDrawn = 256;

  // A key that looks like those of ingress-nginx: four numbers, of which the first has ten digits.
  std::size_t begin(const Candidates& c) noexcept {
    std::size_t at = kNobody;
    for (int drawn = 0; drawn < kMostDrawn; ++drawn) {
      char text[64];
      const auto end = fmt::format_to_n(text, sizeof text, "{}.{}.{}.{}", 1'000'000'000 + chance_.below(1'000'000'000),
                                        chance_.below(1'000), chance_.below(1'000'000), chance_.below(1'000'000'000))
                           .out;
      const std::string_view key(text, static_cast<std::size_t>(end - text));
      const auto owner = places_->ring().find(key, [&](std::uint32_t i) { return takes_[i] != 0; });
      if (owner == Ring::kGone) break;
      at = owner;
      c.session->assign(key);
      if (!c.was_tried(at)) break;
    }
    return at != kNobody ? at : turns_.pick(c);
  }

  std::shared_ptr<const Placement> places_;
  std::vector<std::uint8_t> takes_;  // one for each endpoint
  bool moves_ = false;
  Turns turns_;
  Chance chance_;
};

}  // namespace

extern const PolicyRow kStickyBalanced;
const PolicyRow kStickyBalanced{
    .name = "sticky_balanced",
    .make = [](std::uint64_t seed) -> std::unique_ptr<Policy> { return std::make_unique<StickyBalanced>(seed); },
    .key = PolicyRow::Key::session,
    .places = PolicyRow::Places::ring,
    .doc = "the one that the session's cookie leads to; when endpoints come some sessions move to them"};

}  // namespace sluice::data
