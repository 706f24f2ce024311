#include "base/time_text.h"

#include <charconv>
#include <chrono>
#include <cstring>
#include <ctime>
#include <utility>

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

void LogTimes::update(std::int64_t unix_seconds) noexcept {
  if (unix_seconds == second) return;
  second = unix_seconds;
  const auto seconds = static_cast<std::time_t>(unix_seconds);
  std::tm tm{};
  ::localtime_r(&seconds, &tm);
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const long minutes = tm.tm_gmtoff / 60, distance = minutes < 0 ? -minutes : minutes;
  const char sign = minutes < 0 ? '-' : '+';
  const auto put = [](char*& at, long value, int digits) {
    for (int i = digits; i-- > 0; value /= 10) at[i] = static_cast<char>('0' + value % 10);
    at += digits;
  };
  char* at = local;
  put(at, tm.tm_mday, 2);
  *at++ = '/';
  std::memcpy(at, kMonths[tm.tm_mon % 12], 3);
  at += 3;
  *at++ = '/';
  put(at, tm.tm_year + 1900, 4);
  for (int part : {tm.tm_hour, tm.tm_min, tm.tm_sec}) {
    *at++ = ':';
    put(at, part, 2);
  }
  *at++ = ' ';
  *at++ = sign;
  put(at, distance / 60 * 100 + distance % 60, 4);
  local_size = static_cast<std::uint8_t>(at - local);

  at = iso8601;
  put(at, tm.tm_year + 1900, 4);
  for (int part : {tm.tm_mon + 1, tm.tm_mday}) {
    *at++ = '-';
    put(at, part, 2);
  }
  char between = 'T';
  for (int part : {tm.tm_hour, tm.tm_min, tm.tm_sec}) {
    *at++ = std::exchange(between, ':');
    put(at, part, 2);
  }
  *at++ = sign;
  put(at, distance / 60, 2);
  *at++ = ':';
  put(at, distance % 60, 2);
  iso8601_size = static_cast<std::uint8_t>(at - iso8601);
}

}  // namespace sluice
