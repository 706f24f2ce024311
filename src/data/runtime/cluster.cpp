#include "data/runtime/cluster.h"

#include "data/balance/placement.h"
#include "data/balance/session_cookie.h"
#include "data/exchange/variables.h"
#include "data/runtime/worker_context.h"

namespace sluice::data {

ClusterRuntime::ClusterRuntime(WorkerContext& worker, std::shared_ptr<const model::Cluster> spec,
                               std::shared_ptr<const Placement> placement, std::uint64_t seed)
    : worker_(worker), seed_(seed) {
  reconcile(std::move(spec), std::move(placement));
}

ClusterRuntime::~ClusterRuntime() {
  for (auto& e : endpoints_) {
    e->retired = true;
    worker_.pool.close_all(*e);
  }
}

void ClusterRuntime::reconcile(std::shared_ptr<const model::Cluster> spec, std::shared_ptr<const Placement> placement) {
  std::unordered_map<std::string_view, std::shared_ptr<EndpointRuntime>> old;
  old.reserve(endpoints_.size());
  for (auto& e : endpoints_) old.emplace(e->identity, e);
  std::vector<std::shared_ptr<EndpointRuntime>> now;
  now.reserve(spec->endpoints.size());
  loads_.clear();
  takers_.clear();
  std::vector<std::uint32_t> newcomers;
  for (const auto& e : spec->endpoints) {
    const auto at = static_cast<std::uint32_t>(now.size());
    std::string identity = e.address + '|' + std::to_string(e.port) + '|' + e.pod;
    std::shared_ptr<EndpointRuntime> runtime;
    if (auto found = old.find(identity); found != old.end()) {
      runtime = found->second;
      old.erase(found);
    } else {
      runtime = std::make_shared<EndpointRuntime>();
      runtime->identity = std::move(identity);
      runtime->load.id = ++last_id_;
      auto address = net::make_address(e.address, e.port);
      runtime->valid = address.has_value();
      runtime->question = spec->question;
      if (address) runtime->address = *address, runtime->text = address->text();
      newcomers.push_back(at);
    }
    if (e.ready && runtime->valid) takers_.push_back(at);
    loads_.push_back(&runtime->load);
    now.push_back(std::move(runtime));
  }
  for (auto& [identity, gone] : old) {
    gone->retired = true;
    worker_.pool.close_all(*gone);
  }
  endpoints_ = std::move(now);
  spec_ = std::move(spec);

  static const model::Balancing plain{};
  const model::Balancing* balancing = spec_->balancing.get();
  if (const PolicyRow& row = policy_of(balancing); row_ != &row) {
    row_ = &row;
    policy_ = row.make(seed_);
  }
  session_id_ = row_->key == PolicyRow::Key::session ? Text(session_id_of(spec_->upstream_name)) : Text();
  policy_->reconcile({.endpoints = loads_,
                      .takers = takers_,
                      .newcomers = newcomers,
                      .balancing = balancing != nullptr ? *balancing : plain,
                      .placement = std::move(placement),
                      .now = worker_.loop.now()});
}

std::shared_ptr<EndpointRuntime> ClusterRuntime::pick(std::vector<std::uint32_t>& tried, std::string_view key,
                                                      std::string* session) {
  const std::size_t at = policy_->pick({.endpoints = loads_,
                                        .takers = takers_,
                                        .tried = tried,
                                        .key = key,
                                        .now = worker_.loop.now(),
                                        .session = session});
  if (at >= endpoints_.size()) return nullptr;
  if (tried.size() < 16) tried.push_back(loads_[at]->id);
  return endpoints_[at];
}

std::shared_ptr<EndpointRuntime> ClusterRuntime::pick(Exchange& ex) {
  using enum PolicyRow::Key;
  auto& tried = ex.memory.tried;
  if (row_->key == none) [[likely]]
    return pick(tried, {}, nullptr);
  std::string& key = ex.memory.texts.next();
  if (row_->key == hash) {
    evaluate(spec_->balancing->hash_by->key, ex, Spelling::raw, key);
    return pick(tried, key, nullptr);
  }
  const std::string& name = spec_->balancing->affinity->name;
  const auto cookie = session_cookie(ex.head(), name, session_id_);
  const auto& asked_for = ex.settings->balancing;
  // Other routes go by the cookie, and set none; nor does who answers in place of another Service.
  const bool may_begin = asked_for && asked_for->affinity && !ex.instead;
  auto chosen = pick(tried, cookie.key, may_begin ? &key : nullptr);
  if (!key.empty()) {
    if (ex.session.empty()) (cookie.key.empty() ? worker_.stats.sessions_begun : worker_.stats.sessions_moved).add();
    std::string& value = ex.memory.texts.next();
    value.append(name).append("=").append(key).append("|").append(session_id_.view());
    ex.session = value;
  }
  return chosen;
}

}  // namespace sluice::data
