#include "data/upstream/cluster.h"

#include "data/server/worker.h"

namespace sluice::data {

ClusterRuntime::ClusterRuntime(Worker& worker, std::shared_ptr<const model::Cluster> spec, std::uint64_t seed)
    : worker_(worker), policy_(policies().front().make(seed)) {
  reconcile(std::move(spec));
}

ClusterRuntime::~ClusterRuntime() {
  for (auto& e : endpoints_) {
    e->retired = true;
    worker_.pool.close_all(*e);
  }
}

void ClusterRuntime::reconcile(std::shared_ptr<const model::Cluster> spec) {
  std::unordered_map<std::string_view, std::shared_ptr<EndpointRuntime>> old;
  old.reserve(endpoints_.size());
  for (auto& e : endpoints_) old.emplace(e->identity, e);
  std::vector<std::shared_ptr<EndpointRuntime>> now;
  std::vector<std::uint8_t> usable;
  now.reserve(spec->endpoints.size());
  usable.reserve(spec->endpoints.size());
  available_ = 0;
  for (const auto& e : spec->endpoints) {
    std::string identity = e.address + '|' + std::to_string(e.port) + '|' + e.pod;
    std::shared_ptr<EndpointRuntime> runtime;
    if (auto found = old.find(identity); found != old.end()) {
      runtime = found->second;
      old.erase(found);
    } else {
      runtime = std::make_shared<EndpointRuntime>();
      runtime->identity = std::move(identity);
      auto address = net::make_address(e.address, e.port);
      runtime->valid = address.has_value();
      runtime->question = spec->question;
      if (address) runtime->address = *address, runtime->text = address->text();
    }
    usable.push_back(e.ready && runtime->valid);
    available_ += usable.back();
    now.push_back(std::move(runtime));
  }
  for (auto& [identity, gone] : old) {
    gone->retired = true;
    worker_.pool.close_all(*gone);
  }
  endpoints_ = std::move(now);
  usable_ = std::move(usable);
  spec_ = std::move(spec);
}

std::shared_ptr<EndpointRuntime> ClusterRuntime::pick(std::vector<std::uint32_t>& tried) {
  const std::size_t at = policy_->pick({usable_, tried});
  if (at >= endpoints_.size()) return nullptr;
  if (tried.size() < 16) tried.push_back(static_cast<std::uint32_t>(at));
  return endpoints_[at];
}

}  // namespace sluice::data
