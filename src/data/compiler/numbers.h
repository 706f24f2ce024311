#pragma once
#include <cstdint>
#include <deque>

#include "data/routing/route_table.h"

// Numbers that stand for Clusters in compiled routes. Control thread.
namespace sluice::data {

// Cluster numbers: dense. A number that is given back rests for kRest publications before it names another Cluster, so
// that whoever still holds a route of an older Snapshot finds nothing rather than someone else's pods.
class ClusterNumbers {
 public:
  static constexpr std::uint64_t kRest = 16;

  ClusterId take(std::uint64_t version) {
    if (!resting_.empty() && resting_.front().since + kRest <= version) {
      const ClusterId id = resting_.front().id;
      resting_.pop_front();
      return id;
    }
    return next_++;
  }
  // All that were ever taken are below it.
  ClusterId end() const noexcept { return next_; }
  void give_back(ClusterId id, std::uint64_t version) { resting_.push_back({id, version}); }

 private:
  struct Resting {
    ClusterId id;
    std::uint64_t since;
  };
  ClusterId next_ = 0;
  std::deque<Resting> resting_;
};

}  // namespace sluice::data
