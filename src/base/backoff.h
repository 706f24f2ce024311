#pragma once
#include <algorithm>
#include <random>

#include "base/clock.h"

// How long to wait before the next try.
namespace sluice {

// `first`, twice as long for each earlier failure, at most `most`.
inline Duration doubled(Duration first, unsigned earlier, Duration most) noexcept {
  return std::min(first * (std::int64_t{1} << std::min(earlier, 16U)), most);
}

// Up to a quarter less, so that those who failed together do not come back together.
inline Duration jittered(Duration wait, std::minstd_rand& random) noexcept {
  return wait - wait / 4 * static_cast<std::int64_t>(random() % 1024) / 1024;
}

}  // namespace sluice
