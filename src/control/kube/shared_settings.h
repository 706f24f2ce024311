#pragma once
#include <cstddef>
#include <unordered_map>

#include "model/model.h"

namespace sluice::control {

// Keeps one copy of settings that are equal: most Ingresses of a cluster say the same. One thread; what it hands out
// may go anywhere.
class SharedSettings {
 public:
  model::Shared<model::RouteSettings> of(model::RouteSettings settings);
  std::size_t size() const noexcept { return known_.size(); }

 private:
  std::unordered_multimap<std::size_t, model::Shared<model::RouteSettings>> known_;
  model::Shared<model::RouteSettings> last_;  // that were asked for: the next Ingress often says the same
  std::size_t tidy_at_ = 64;                  // entries; those that nobody else holds are let go of then
};

}  // namespace sluice::control
