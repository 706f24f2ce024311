#include "data/runtime/limits.h"

#include <algorithm>
#include <cstring>

namespace sluice::data {

std::size_t ConnectionLimits::slot(int row, const std::uint8_t* address) const noexcept {
  std::uint64_t a, b;
  std::memcpy(&a, address, 8);
  std::memcpy(&b, address + 8, 8);
  std::uint64_t h = (a ^ seed_[row]) * 0xff51afd7ed558ccd;
  h ^= h >> 32;
  h = (h ^ b) * 0xc4ceb9fe1a85ec53;
  h ^= h >> 32;  // what differs between neighbours is in the upper bytes: down with it, and up through all again
  h *= 0x9e3779b97f4a7c15;
  return h >> (64 - kSlotBits);
}

bool ConnectionLimits::enter(const std::uint8_t* address, std::uint32_t max_total,
                             std::uint32_t max_per_address) noexcept {
  if (total_.fetch_add(1, std::memory_order_relaxed) >= max_total && max_total != 0) {
    total_.fetch_sub(1, std::memory_order_relaxed);
    return false;
  }
  if (max_per_address == 0 || enter_address(address, max_per_address)) return true;
  total_.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

bool ConnectionLimits::enter_address(const std::uint8_t* address, std::uint32_t max_per_address) noexcept {
  auto& one = rows_[0][slot(0, address)];
  auto& two = rows_[1][slot(1, address)];
  const auto count = std::min(one.fetch_add(1, std::memory_order_relaxed), two.fetch_add(1, std::memory_order_relaxed));
  if (count < max_per_address) return true;
  leave_address(address);
  return false;
}

void ConnectionLimits::leave_address(const std::uint8_t* address) noexcept {
  rows_[0][slot(0, address)].fetch_sub(1, std::memory_order_relaxed);
  rows_[1][slot(1, address)].fetch_sub(1, std::memory_order_relaxed);
}

void ConnectionLimits::leave(const std::uint8_t* address, bool counted_address) noexcept {
  total_.fetch_sub(1, std::memory_order_relaxed);
  if (counted_address) leave_address(address);
}

}  // namespace sluice::data
