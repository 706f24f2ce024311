#pragma once
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace sluice::control::cluster {

// Work that waits, by namespace. Namespaces have their turns one after the other: one with much to do, or with work
// that fails again and again, holds up no other.
template <class T>
class Turns {
 public:
  bool empty() const noexcept { return queues_.empty(); }
  std::size_t waiting(std::string_view ns) const {
    const auto queue = queues_.find(ns);
    return queue == queues_.end() ? 0 : queue->second.size();
  }
  void add(std::string_view ns, T work) {
    const auto queue = queues_.try_emplace(std::string(ns)).first;
    try {
      queue->second.push_back(std::move(work));
    } catch (...) {
      if (queue->second.empty()) queues_.erase(queue);
      throw;
    }
  }
  void clear() noexcept { queues_.clear(); }

  // What has waited longest in the namespace whose turn it is. Not when empty().
  T next() {
    auto queue = queues_.upper_bound(last_);
    if (queue == queues_.end()) queue = queues_.begin();
    last_ = queue->first;
    T out = std::move(queue->second.front());
    queue->second.pop_front();
    if (queue->second.empty()) queues_.erase(queue);
    return out;
  }

 private:
  std::map<std::string, std::deque<T>, std::less<>> queues_;  // none of them is empty
  std::string last_;                                          // whose turn it was
};

}  // namespace sluice::control::cluster
