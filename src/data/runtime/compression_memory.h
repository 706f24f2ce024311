#pragma once
#include <atomic>
#include <cstdint>

namespace sluice::data {

// What all bodies that are being compressed take together, in all workers. Any thread.
class CompressionMemory {
 public:
  // False, and nothing counted, where it would be more than `most` (0: no limit).
  bool take(std::uint64_t bytes, std::uint64_t most) noexcept {
    const auto used = used_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
    if (most == 0 || used <= most) return true;
    give_back(bytes);
    return false;
  }
  void give_back(std::uint64_t bytes) noexcept { used_.fetch_sub(bytes, std::memory_order_relaxed); }
  std::uint64_t used() const noexcept { return used_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> used_{0};
};

}  // namespace sluice::data
