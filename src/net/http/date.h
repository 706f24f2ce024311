#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

// The Date field: IMF-fixdate of RFC 9110 section 5.6.7.
namespace sluice::net::http {

inline constexpr std::size_t kDateText = 29;  // "Sun, 06 Nov 1994 08:49:37 GMT"

// Writes exactly kDateText bytes, no terminator. Times before 1970 or after the year 9999 are clamped to those ends.
void format_date(std::int64_t unix_seconds, char* out) noexcept;

// Formats at most once a second. One object a worker; not shared between threads. The view is good until the next call.
class DateCache {
 public:
  std::string_view at(std::int64_t unix_seconds) noexcept;

 private:
  std::int64_t second_ = INT64_MIN;
  char text_[kDateText];
};

}  // namespace sluice::net::http
