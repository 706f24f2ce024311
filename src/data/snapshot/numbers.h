#pragma once
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/strings.h"
#include "data/routing/route_table.h"

// Numbers that stand for names in compiled routes. Control thread.
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
  void give_back(ClusterId id, std::uint64_t version) { resting_.push_back({id, version}); }

 private:
  struct Resting {
    ClusterId id;
    std::uint64_t since;
  };
  ClusterId next_ = 0;
  std::deque<Resting> resting_;
};

// Numbers of metric label sets. A set keeps its number for as long as a route has it; numbers are not used again.
class SeriesNumbers {
 public:
  struct Entry {
    std::uint32_t number = 0;
    std::uint32_t users = 0;
  };
  using Handle = const std::string*;  // the key in the map: stable while in use

  Handle take(std::string_view labels, std::uint32_t& number) {
    auto at = series_.find(labels);
    if (at == series_.end()) at = series_.emplace(std::string(labels), Entry{next_++, 0}).first;
    ++at->second.users;
    number = at->second.number;
    return &at->first;
  }
  void give_back(Handle handle) {
    auto at = series_.find(*handle);
    if (--at->second.users == 0) series_.erase(at);
  }
  std::size_t size() const { return series_.size(); }

 private:
  std::uint32_t next_ = 0;
  StringMap<Entry> series_;
};

}  // namespace sluice::data
