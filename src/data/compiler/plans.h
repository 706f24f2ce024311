#pragma once
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "data/plan/plan.h"

namespace sluice::data {

// The Plans of the routes that are served, each once for settings that are the same object (the translator shares equal
// ones). Control thread only.
class Plans {
 public:
  // Null: nothing is needed. As long as it is held, the settings are too.
  std::shared_ptr<const Plan> of(const model::Shared<model::RouteSettings>& settings, bool to_https);
  // Until this is called all settings that were asked for stay where they are.
  void end_batch() noexcept { without_.clear(); }
  std::size_t size() const noexcept { return known_.size(); }

 private:
  using Key = std::pair<const model::RouteSettings*, bool>;
  std::map<Key, std::weak_ptr<const Plan>> known_;
  std::set<Key> without_;     // settings of this batch that need none: no Plan keeps others from their addresses
  std::size_t tidy_at_ = 64;  // entries; those that nobody holds are let go of then
};

}  // namespace sluice::data
