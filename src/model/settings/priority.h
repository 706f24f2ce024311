#pragma once
#include <cstdint>
#include <string_view>

namespace sluice::model {

// Whose requests are refused first when the process is overloaded: those of less.
enum class Priority : std::uint8_t { low, normal, high };
constexpr std::string_view to_string(Priority p) noexcept {
  switch (p) {
    case Priority::low:
      return "low";
    case Priority::normal:
      return "normal";
    case Priority::high:
      return "high";
  }
  return "";
}

}  // namespace sluice::model
