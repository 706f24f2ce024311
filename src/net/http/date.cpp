#include "net/http/date.h"

#include <algorithm>
#include <chrono>
#include <cstring>

namespace sluice::net::http {
namespace {

constexpr std::int64_t kYear9999 = 253402300799;

void two(char* out, unsigned value) noexcept {
  out[0] = static_cast<char>('0' + value / 10);
  out[1] = static_cast<char>('0' + value % 10);
}

}  // namespace

void format_date(std::int64_t unix_seconds, char* out) noexcept {
  using namespace std::chrono;
  const seconds since{std::clamp<std::int64_t>(unix_seconds, 0, kYear9999)};
  const auto day = floor<days>(sys_seconds{since});
  const year_month_day date{day};
  const auto time = static_cast<unsigned>((sys_seconds{since} - day).count());
  const auto year = static_cast<unsigned>(static_cast<int>(date.year()));

  std::memcpy(out, "Day, 00 Mon 0000 00:00:00 GMT", kDateText);
  std::memcpy(out, &"SunMonTueWedThuFriSat"[weekday{day}.c_encoding() * 3], 3);
  two(out + 5, static_cast<unsigned>(date.day()));
  std::memcpy(out + 8, &"JanFebMarAprMayJunJulAugSepOctNovDec"[(static_cast<unsigned>(date.month()) - 1) * 3], 3);
  two(out + 12, year / 100);
  two(out + 14, year % 100);
  two(out + 17, time / 3600);
  two(out + 20, time / 60 % 60);
  two(out + 23, time % 60);
}

std::string_view DateCache::at(std::int64_t unix_seconds) noexcept {
  if (unix_seconds != second_) {
    format_date(unix_seconds, text_);
    second_ = unix_seconds;
  }
  return {text_, kDateText};
}

}  // namespace sluice::net::http
