#pragma once
#include <string_view>

namespace sluice::data {

// Our member of Via (RFC 9110 section 7.6.3): the version of the message as it was received, and a name for us.
constexpr std::string_view via(int major, int minor) noexcept {
  return major >= 2 ? "2 sluice" : minor == 0 ? "1.0 sluice" : "1.1 sluice";
}

}  // namespace sluice::data
