#include "data/compiler/plans.h"

#include "data/filter/order.h"

#include <algorithm>

namespace sluice::data {

namespace {
// Holds the settings, so that no others come to stand at their address while the Plan is known by it.
struct Kept {
  model::Shared<model::RouteSettings> settings;
  std::shared_ptr<const Plan> plan;
};
}  // namespace

std::shared_ptr<const Plan> Plans::of(const model::Shared<model::RouteSettings>& settings, bool to_https) {
  const Key key(settings.get(), to_https);
  if (const auto known = known_.find(key); known != known_.end())
    if (auto plan = known->second.lock()) return plan;
  if (without_.contains(key)) return nullptr;
  auto made = plan_of_route({*settings, to_https});
  if (!made) {
    without_.insert(key);
    return nullptr;
  }
  if (known_.size() >= tidy_at_) {
    std::erase_if(known_, [](const auto& entry) { return entry.second.expired(); });
    tidy_at_ = std::max<std::size_t>(64, known_.size() * 2);
  }
  auto kept = std::make_shared<const Kept>(settings, std::move(made));
  std::shared_ptr<const Plan> plan(kept, kept->plan.get());
  known_[key] = plan;
  return plan;
}

}  // namespace sluice::data
