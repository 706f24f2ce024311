#include <algorithm>

#include "data/balance/draw.h"
#include "data/balance/placement.h"

namespace sluice::data {

namespace {

// The key of a session is the name of its endpoint, for as long as that takes requests.
class StickyPersistent final : public Policy {
 public:
  explicit StickyPersistent(std::uint64_t seed) : chance_(seed) {}
  std::size_t pick(const Candidates& c) noexcept override {
    if (c.takers.empty()) return kNobody;
    if (places_ && !c.key.empty() && (c.tried.empty() || !moves_)) {
      const std::size_t bound = places_->named(c.key);
      if (bound < takes_.size() && takes_[bound] != 0) return bound;
    }
    const std::size_t at = c.takers[untried_from(c, chance_.below(c.takers.size()))];
    if (c.session != nullptr && places_) c.session->assign(places_->name_of(at));
    return at;
  }
  void reconcile(const Members& m) override {
    places_ = m.placement;
    moves_ = m.balancing.affinity && m.balancing.affinity->change_on_failure;
    takes_.assign(m.endpoints.size(), 0);
    for (const auto at : m.takers) takes_[at] = 1;
  }

 private:
  std::shared_ptr<const Placement> places_;
  std::vector<std::uint8_t> takes_;  // one for each endpoint
  bool moves_ = false;
  Chance chance_;
};

}  // namespace

extern const PolicyRow kStickyPersistent;
const PolicyRow kStickyPersistent{
    .name = "sticky_persistent",
    .make = [](std::uint64_t seed) -> std::unique_ptr<Policy> { return std::make_unique<StickyPersistent>(seed); },
    .key = PolicyRow::Key::session,
    .places = PolicyRow::Places::names,
    .doc = "the one that the session's cookie names, for as long as it takes requests"};

}  // namespace sluice::data
