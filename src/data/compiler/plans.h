#pragma once
#include <map>
#include <memory>
#include <utility>

#include "data/plan/plan.h"

namespace sluice::data {

// The Plans of the routes that are served, each once for settings that are the same object (the translator shares equal
// ones). Control thread only.
class Plans {
 public:
  // Null: nothing is needed. As long as it is held, the settings are too.
  std::shared_ptr<const Plan> of(const model::Shared<model::RouteSettings>& settings, bool to_https);
  std::size_t size() const noexcept { return known_.size(); }

 private:
  std::map<std::pair<const model::RouteSettings*, bool>, std::weak_ptr<const Plan>> known_;
  std::size_t tidy_at_ = 64;  // entries; those that nobody holds are let go of then
};

}  // namespace sluice::data
