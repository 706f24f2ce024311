#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

namespace sluice {

// Seconds since 1970 of an RFC 3339 time in UTC or with an offset, as Kubernetes' metav1.Time is written; fractions are
// cut off. Nothing when it is not one.
std::optional<std::int64_t> parse_rfc3339(std::string_view text);

// The time as nginx's logs and variables write it, in texts that change once a second. Of one thread.
struct LogTimes {
  std::int64_t second = -1;
  char local[32]{};    // 23/Nov/2026:23:28:06 +0000
  char iso8601[32]{};  // 2026-11-23T23:28:06+00:00
  std::uint8_t local_size = 0, iso8601_size = 0;
  void update(std::int64_t unix_seconds) noexcept;
};

}  // namespace sluice
