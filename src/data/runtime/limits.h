#pragma once
#include <array>
#include <atomic>
#include <cstdint>

// The one primitive for limits that count clients over all workers: a fixed table of atomics. Two hashed rows; a count
// is the smaller of both, so that a collision makes it too high only when both rows collide. Any thread.
namespace sluice::data {

class ConnectionLimits {
 public:
  // Counts a connection of `address` (16 bytes). False, and nothing counted, when a limit is reached (0: no limit).
  bool enter(const std::uint8_t* address, std::uint32_t max_total, std::uint32_t max_per_address) noexcept;
  // For one that was counted without an address (max_per_address 0) and now has its real one.
  bool enter_address(const std::uint8_t* address, std::uint32_t max_per_address) noexcept;
  void leave(const std::uint8_t* address, bool counted_address) noexcept;
  std::uint32_t total() const noexcept { return total_.load(std::memory_order_relaxed); }
  void seed(std::uint64_t a, std::uint64_t b) noexcept { seed_[0] = a, seed_[1] = b; }

 private:
  static constexpr int kSlotBits = 16;
  static constexpr std::size_t kSlots = 1 << kSlotBits;
  void leave_address(const std::uint8_t* address) noexcept;
  std::size_t slot(int row, const std::uint8_t* address) const noexcept;
  std::uint64_t seed_[2]{0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9};
  alignas(64) std::atomic<std::uint32_t> total_{0};
  std::array<std::array<std::atomic<std::uint32_t>, kSlots>, 2> rows_{};
};

}  // namespace sluice::data
