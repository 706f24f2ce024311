#pragma once
#include <cstdint>

namespace sluice::model {

// After what another pod is asked, as nginx's proxy_next_upstream has it: bits of RetryConditions.
enum class RetryOn : std::uint16_t {
  error = 1,           // no connection, or one that ended before there was a head of a response
  timeout = 2,         // none in time
  invalid_header = 4,  // none that can be read
  http_403 = 8,        // an answer with that status
  http_404 = 16,
  http_429 = 32,
  http_500 = 64,
  http_502 = 128,
  http_503 = 256,
  http_504 = 512,
  non_idempotent = 1024,  // for POST and the like too
};
struct RetryConditions {
  std::uint16_t bits = static_cast<std::uint16_t>(RetryOn::error) | static_cast<std::uint16_t>(RetryOn::timeout);
  constexpr bool has(RetryOn what) const noexcept { return (bits & static_cast<std::uint16_t>(what)) != 0; }
  constexpr void add(RetryOn what) noexcept { bits |= static_cast<std::uint16_t>(what); }
  // Of an answer: the status is one of them.
  constexpr bool has_status(int status) const noexcept {
    switch (status) {
      case 403:
        return has(RetryOn::http_403);
      case 404:
        return has(RetryOn::http_404);
      case 429:
        return has(RetryOn::http_429);
      case 500:
        return has(RetryOn::http_500);
      case 502:
        return has(RetryOn::http_502);
      case 503:
        return has(RetryOn::http_503);
      case 504:
        return has(RetryOn::http_504);
      default:
        return false;
    }
  }
  bool operator==(const RetryConditions&) const = default;
};

}  // namespace sluice::model
