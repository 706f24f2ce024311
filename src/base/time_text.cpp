#include "base/time_text.h"

#include <charconv>
#include <chrono>

namespace sluice {

std::optional<std::int64_t> parse_rfc3339(std::string_view s) {
  auto number = [&](std::size_t at, std::size_t length) {
    int v = -1;
    if (at + length <= s.size()) {
      auto [end, error] = std::from_chars(s.data() + at, s.data() + at + length, v);
      if (error != std::errc{} || end != s.data() + at + length) v = -1;
    }
    return v;
  };
  if (s.size() < 20 || s[4] != '-' || s[7] != '-' || s[13] != ':' || s[16] != ':') return std::nullopt;
  int y = number(0, 4), mo = number(5, 2), d = number(8, 2), h = number(11, 2), mi = number(14, 2), sec = number(17, 2);
  std::chrono::year_month_day day{std::chrono::year(y), std::chrono::month(static_cast<unsigned>(mo)),
                                  std::chrono::day(static_cast<unsigned>(d))};
  if (y < 0 || mo < 0 || d < 0 || h < 0 || mi < 0 || sec < 0 || !day.ok()) return std::nullopt;
  std::int64_t out = std::chrono::sys_days(day).time_since_epoch().count() * 86400LL + h * 3600 + mi * 60 + sec;
  auto zone = s.find_first_of("Zz+-", 19);
  if (zone != std::string_view::npos && (s[zone] == '+' || s[zone] == '-') && zone + 6 == s.size())
    out -= (s[zone] == '+' ? 1 : -1) * (number(zone + 1, 2) * 3600 + number(zone + 4, 2) * 60);
  return out;
}

}  // namespace sluice
