#pragma once
#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "data/balance/placement.h"
#include "data/balance/policy.h"

// A Cluster as policies see it, without sockets: endpoints that come, go and stop taking requests.
namespace sluice::data {

class ClusterOf {
 public:
  // `row`: of the table; the Cluster asks for it.
  ClusterOf(const PolicyRow& row, std::uint64_t seed, std::uint32_t balance_factor = 0) : policy_(row.make(seed)) {
    spec_.upstream_name = "default-svc-80";
    spec_.balancing = asking_for(row, balance_factor);
  }

  static model::Balancing asking_for(const PolicyRow& row, std::uint32_t balance_factor = 0) {
    model::Balancing out;
    for (std::uint8_t i = 0; !to_string(static_cast<model::LoadBalance>(i)).empty(); ++i)
      if (const auto way = static_cast<model::LoadBalance>(i); row.name == to_string(way)) out.load_balance = way;
    if (row.key == PolicyRow::Key::hash) {
      model::HashBy by{"$arg_k"};
      by.subset = row.places == PolicyRow::Places::ring_of_subsets;
      if (row.places == PolicyRow::Places::table) by.policy = model::HashPolicy::maglev;
      by.balance_factor = balance_factor;
      out.hash_by = by;
    }
    if (row.key == PolicyRow::Key::session) {
      model::Affinity affinity;
      affinity.persistent = row.places == PolicyRow::Places::names;
      out.affinity = affinity;
    }
    return out;
  }

  model::Balancing balancing() const { return *spec_.balancing; }
  void ask(model::Balancing balancing) { spec_.balancing = std::move(balancing); }

  // The endpoints from now on, by their numbers; the policy is told.
  struct Wanted {
    int number;
    bool ready = true;
  };
  void become(const std::vector<Wanted>& wanted) {
    std::vector<std::uint32_t> newcomers;
    std::map<int, std::shared_ptr<EndpointLoad>> now;
    spec_.endpoints.clear();
    loads_.clear();
    takers_.clear();
    numbers_.clear();
    for (const auto& [number, ready] : wanted) {
      auto& load = now[number];
      if (const auto known = known_.find(number); known != known_.end()) {
        load = known->second;
      } else {
        load = std::make_shared<EndpointLoad>();
        load->id = ++last_id_;
        newcomers.push_back(static_cast<std::uint32_t>(loads_.size()));
      }
      if (ready) takers_.push_back(static_cast<std::uint32_t>(loads_.size()));
      spec_.endpoints.push_back({address(number), 8080, ready, false, false, ""});
      loads_.push_back(load.get());
      numbers_.push_back(number);
    }
    known_ = std::move(now);
    placement_ = Placement::of(spec_, placement_.get());
    policy_->reconcile({.endpoints = loads_,
                        .takers = takers_,
                        .newcomers = newcomers,
                        .balancing = *spec_.balancing,
                        .placement = placement_,
                        .now = now_});
  }
  void become(int from, int to) {
    std::vector<Wanted> all;
    for (int i = from; i < to; ++i) all.push_back({i});
    become(all);
  }

  // The number of the chosen one; -1: nobody.
  int pick(std::string_view key = {}, const std::vector<int>& tried = {}, std::string* session = nullptr) {
    std::vector<std::uint32_t> ids;
    for (const int t : tried) ids.push_back(load(t).id);
    const std::size_t at = policy_->pick(
        {.endpoints = loads_, .takers = takers_, .tried = ids, .key = key, .now = now_, .session = session});
    if (at == kNobody) return -1;
    return numbers_.at(at);
  }
  EndpointLoad& load(int number) { return *known_.at(number); }
  bool takes(int number) const {
    return std::ranges::any_of(takers_, [&](auto at) { return numbers_[at] == number; });
  }
  std::size_t takers() const { return takers_.size(); }
  void pass(Duration time) { now_ += time; }
  Instant now() const { return now_; }

  static std::string address(int number) {
    return "10.0." + std::to_string(number / 256) + "." + std::to_string(number % 256);
  }

 private:
  std::unique_ptr<Policy> policy_;
  model::Cluster spec_;
  std::shared_ptr<const Placement> placement_;
  std::map<int, std::shared_ptr<EndpointLoad>> known_;
  std::vector<EndpointLoad*> loads_;
  std::vector<std::uint32_t> takers_;
  std::vector<int> numbers_;
  std::uint32_t last_id_ = 0;
  Instant now_{std::chrono::hours(1)};
};

inline const PolicyRow& policy_named(std::string_view name) {
  for (const PolicyRow* row : policies())
    if (row->name == name) return *row;
  throw std::out_of_range(std::string(name));
}

}  // namespace sluice::data
