#pragma once
#include <cstddef>
#include <memory>
#include <unordered_map>

#include "model/model.h"

namespace sluice::control {

// Keeps one copy of settings that are equal: most Ingresses of a cluster say the same. One thread; what it hands out
// may go anywhere.
class SharedSettings {
 public:
  std::shared_ptr<const model::RouteSettings> of(model::RouteSettings settings);

 private:
  std::unordered_multimap<std::size_t, std::weak_ptr<const model::RouteSettings>> known_;
  std::size_t tidy_at_ = 64;  // entries; those that nobody holds are let go of then
};

}  // namespace sluice::control
