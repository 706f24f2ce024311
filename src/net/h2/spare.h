#pragma once
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "base/release.h"

namespace sluice::net::h2 {

// Large buffers between uses: who is idle holds none, and who is busy need not ask the allocator for one and let it
// grow. One for each thread and use.
class Spare {
 public:
  // Keeps at most `kept` of `largest` bytes each.
  Spare(std::size_t largest, std::size_t kept) noexcept : largest_(largest), kept_(kept) {}

  // Gives a small one a large one's room, where there is one. What it holds stays.
  void lend(std::string& to) noexcept {
    if (to.capacity() >= kLarge || all_.empty()) return;
    std::string held = std::move(to);
    to = std::move(all_.back());
    all_.pop_back();
    to.assign(held);
  }
  // Takes a large one's room back, or frees it.
  void give(std::string& from) {
    if (from.capacity() < kLarge) return;
    if (from.capacity() <= largest_ && all_.size() < kept_) {
      from.clear();
      all_.push_back(std::move(from));
    }
    release(from);
  }

 private:
  static constexpr std::size_t kLarge = 4096;
  const std::size_t largest_, kept_;
  std::vector<std::string> all_;
};

}  // namespace sluice::net::h2
