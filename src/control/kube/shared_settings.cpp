#include "control/kube/shared_settings.h"

#include <algorithm>
#include <utility>

#include "model/hash.h"

namespace sluice::control {

model::Shared<model::RouteSettings> SharedSettings::of(model::RouteSettings settings) {
  if (last_ && *last_ == settings) return last_;
  model::Hash all;
  all.add(settings);
  const std::size_t hash = all.value();
  auto [from, to] = known_.equal_range(hash);
  for (; from != to; ++from)
    if (*from->second == settings) return last_ = from->second;
  if (known_.size() >= tidy_at_) {
    std::erase_if(known_, [](const auto& entry) { return entry.second.alone(); });
    tidy_at_ = std::max<std::size_t>(64, known_.size() * 2);
  }
  return last_ = known_.emplace(hash, model::Shared(std::move(settings)))->second;
}

}  // namespace sluice::control
