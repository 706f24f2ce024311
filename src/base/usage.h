#pragma once
#include <cstdint>

namespace sluice {

// How much of something is used, and how much of it there may be.
struct Usage {
  std::uint64_t used = 0;
  std::uint64_t limit = 0;  // 0: none
  // In thousandths of the limit; 0 without one.
  unsigned share() const noexcept { return limit ? static_cast<unsigned>(used * 1000 / limit) : 0; }
};

}  // namespace sluice
