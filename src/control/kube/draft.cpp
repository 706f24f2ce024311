#include "control/kube/draft.h"

#include <atomic>
#include <utility>

namespace sluice::control {

void Draft::begin() {
  auto free = [](const std::shared_ptr<model::Model>& m) {
    bool alone = m.use_count() == 1;
    std::atomic_thread_fence(std::memory_order_acquire);
    return alone;
  };
  if (free(model_)) return;
  if (!spare_ || !free(spare_)) {
    spare_ = std::exchange(model_, std::make_shared<model::Model>(*model_));
  } else {
    auto renew = [](auto& map, const auto& from, const std::set<std::string>& names) {
      for (auto& name : names) {
        if (auto it = from.find(name); it != from.end())
          map[name] = it->second;
        else
          map.erase(name);
      }
    };
    renew(spare_->hosts, model_->hosts, behind_.hosts);
    renew(spare_->clusters, model_->clusters, behind_.clusters);
    renew(spare_->certificates, model_->certificates, behind_.certificates);
    spare_->options = model_->options;
    spare_->own = model_->own;
    spare_->streams = model_->streams;
    if (behind_.report) spare_->report = model_->report;
    std::swap(spare_, model_);
  }
  behind_ = {};
}

void Draft::end(const model::Change& change) {
  behind_.report |= change.report;
  if (!spare_) return;
  constexpr std::size_t kWorthwhile = 4096;  // beyond it a copy is as good
  behind_.hosts.insert(change.hosts.begin(), change.hosts.end());
  behind_.clusters.insert(change.clusters.begin(), change.clusters.end());
  behind_.certificates.insert(change.certificates.begin(), change.certificates.end());
  if (behind_.hosts.size() + behind_.clusters.size() + behind_.certificates.size() > kWorthwhile) spare_ = nullptr;
}

}  // namespace sluice::control
