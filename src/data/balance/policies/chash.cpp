#include "data/balance/placement.h"
#include "data/balance/turns.h"

namespace sluice::data {

namespace {

// The first endpoint behind the key's place on the ring. Others who leave or come change nothing for its keys.
class ConsistentHash final : public Policy {
 public:
  explicit ConsistentHash(std::uint64_t seed) : turns_(seed) {}
  std::size_t pick(const Candidates& c) noexcept override {
    if (c.takers.empty()) return kNobody;
    // Without a key there is nothing to keep together: one endpoint would have all of them.
    if (c.key.empty() || !places_) return turns_.pick(c);
    auto at = places_->ring().find(c.key, [&](std::uint32_t i) { return takes_[i] != 0 && !c.was_tried(i); });
    if (at == Ring::kGone) at = places_->ring().find(c.key, [&](std::uint32_t i) { return takes_[i] != 0; });
    return at == Ring::kGone ? turns_.pick(c) : at;
  }
  void reconcile(const Members& m) override {
    places_ = m.placement;
    takes_.assign(m.endpoints.size(), 0);
    for (const auto at : m.takers) takes_[at] = 1;
  }

 private:
  std::shared_ptr<const Placement> places_;
  std::vector<std::uint8_t> takes_;  // one for each endpoint
  Turns turns_;
};

}  // namespace

extern const PolicyRow kConsistentHash;
const PolicyRow kConsistentHash{
    .name = "chash",
    .make = [](std::uint64_t seed) -> std::unique_ptr<Policy> { return std::make_unique<ConsistentHash>(seed); },
    .key = PolicyRow::Key::hash,
    .places = PolicyRow::Places::ring,
    .doc = "by the hash of the request's key; one that leaves moves its own keys alone"};

}  // namespace sluice::data
