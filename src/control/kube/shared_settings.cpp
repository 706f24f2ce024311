#include "control/kube/shared_settings.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace sluice::control {

namespace {

// Of the fields that differ most often: equal settings must have equal hashes, others may.
std::size_t hash_of(const model::RouteSettings& s) {
  std::size_t h = s.redirect ? std::hash<std::string_view>{}(s.redirect->location) : 0;
  auto mix = [&](auto value) { h = (h ^ static_cast<std::size_t>(value)) * 0x9e3779b97f4a7c15U; };
  mix(s.ssl_redirect);
  mix(s.force_ssl_redirect);
  mix(s.protocol ? static_cast<int>(*s.protocol) : -1);
  mix(s.body_limit);
  mix(s.response_head_limit);
  mix(s.connect_timeout.count());
  mix(s.send_timeout.count());
  mix(s.read_timeout.count());
  mix(s.tries);
  if (s.rewrite) mix(std::hash<std::string_view>{}(s.rewrite->target));
  return h;
}

}  // namespace

std::shared_ptr<const model::RouteSettings> SharedSettings::of(model::RouteSettings settings) {
  const std::size_t hash = hash_of(settings);
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
