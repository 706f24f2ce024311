#pragma once
#include "base/clock.h"

namespace sluice {

// As records and policies have them.
constexpr float seconds(Duration d) noexcept {
  return std::chrono::duration<float>(d).count();
}

}  // namespace sluice
