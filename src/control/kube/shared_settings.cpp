#include "control/kube/shared_settings.h"

#include <algorithm>
#include <utility>

#include "model/hash.h"

namespace sluice::control {

std::shared_ptr<const model::RouteSettings> SharedSettings::of(model::RouteSettings settings) {
  model::Hash all;
  all.add(settings);
  const std::size_t hash = all.value();
  auto [from, to] = known_.equal_range(hash);
  for (; from != to; ++from)
    if (auto held = from->second.lock(); held && *held == settings) return held;
  if (known_.size() >= tidy_at_) {
    std::erase_if(known_, [](const auto& entry) { return entry.second.expired(); });
    tidy_at_ = std::max<std::size_t>(64, known_.size() * 2);
  }
  // Not make_shared: the weak pointer would hold the memory of settings that are gone.
  std::shared_ptr<const model::RouteSettings> made(new model::RouteSettings(std::move(settings)));
  known_.emplace(hash, made);
  return made;
}

}  // namespace sluice::control
