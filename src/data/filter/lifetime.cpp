#include "data/filter/lifetime.h"

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "base/strings.h"

namespace sluice::data {

namespace {

constexpr std::int64_t kMost = 31'536'000;  // seconds: a year

// Where a text begins in a value, whatever the case. nginx looks for texts and not for directives: `private="x"` is
// private, too.
std::size_t find_in(std::string_view value, std::string_view text) noexcept {
  const auto at = std::ranges::search(value, text, {}, [](char c) { return lower(c); });
  return at.empty() ? std::string_view::npos : static_cast<std::size_t>(at.begin() - value.begin());
}

// Digits up to the end or one of `ends`. Less than nothing: something else stands there.
std::int64_t number(std::string_view text, std::string_view ends) noexcept {
  std::int64_t n = 0;
  for (const char c : text) {
    if (ends.find(c) != std::string_view::npos) break;
    if (c < '0' || c > '9') return -1;
    n = std::min(n * 10 + (c - '0'), kMost);
  }
  return n;
}

}  // namespace

Lifetime lifetime_of(std::span<const net::http::Field> fields) noexcept {
  constexpr Lifetime kNever{true, {}};
  Lifetime out;
  // What is for one client alone comes first, wherever it stands.
  for (const auto& f : fields)
    if (iequals(f.name, "set-cookie") || iequals(f.name, "vary") || iequals(f.name, "expires")) return kNever;
  for (const auto& f : fields) {
    if (iequals(f.name, "x-accel-expires"))
      return {true, std::chrono::seconds(std::max<std::int64_t>(number(f.value, ""), 0))};
    if (!iequals(f.name, "cache-control") || (out.said && out.time.count() == 0)) continue;
    for (const std::string_view none : {"no-cache", "no-store", "private"})
      if (find_in(f.value, none) != std::string_view::npos) out = kNever;
    if (out.said && out.time.count() == 0) continue;
    for (const std::string_view name : {"s-maxage=", "max-age="}) {  // of shared caches first
      const auto at = find_in(f.value, name);
      if (at == std::string_view::npos) continue;
      out = {true, std::chrono::seconds(std::max<std::int64_t>(number(f.value.substr(at + name.size()), ",; "), 0))};
      break;
    }
  }
  return out;
}

}  // namespace sluice::data
