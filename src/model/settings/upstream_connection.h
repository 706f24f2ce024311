#pragma once
#include <chrono>
#include <cstdint>
#include <string_view>

namespace sluice::model {

// What pods get as Connection (connection-proxy-header), instead of nothing and of `upgrade`.
enum class ConnectionField : std::uint8_t { usual, close, keep_alive };
constexpr std::string_view to_string(ConnectionField field) noexcept {
  switch (field) {
    case ConnectionField::usual:
      return "";
    case ConnectionField::close:
      return "close";
    case ConnectionField::keep_alive:
      return "keep-alive";
  }
  return "";
}

// Which connections are kept for a further request, where the options are not to say so.
struct KeptConnections {
  std::uint32_t idle = 0;            // at most, to one address from one worker; 0: as the options say, in all three
  std::uint32_t requests = 1000;     // of one connection
  std::chrono::seconds timeout{60};  // that it lies idle
  bool operator==(const KeptConnections&) const = default;
};

}  // namespace sluice::model
