#pragma once
#include <algorithm>
#include <cstddef>
#include <string_view>

#include "base/strings.h"

// The field by which proxies recognise what they have passed on before: CDN-Loop (RFC 8586), a list with an element for
// each pass. Every Sluice calls itself `sluice`, so that replicas and other installations count as one. Its parameter
// `r` tells which route was taken, to the process that wrote it alone.
namespace sluice {

inline constexpr std::string_view kCdnLoop = "CDN-Loop";
inline constexpr std::string_view kCdnId = "sluice";

// Calls fn(route) for each pass through a Sluice that the field's value tells of; `route`: its parameter r, or empty.
// What does not follow the grammar counts for as little as it says: a quote that nothing closes is a byte like others,
// or it would hide what stands behind it.
template <class F>
constexpr void for_each_pass(std::string_view list, F&& fn) {
  for (bool quotes = true; !list.empty();) {
    // A comma inside a quoted string ends no element.
    std::size_t end = 0;
    bool quoted = false;
    for (; end < list.size() && (quoted || list[end] != ','); ++end) {
      if (list[end] == '"') quoted = quotes && !quoted;
      if (quoted && list[end] == '\\') ++end;
    }
    if (quoted) {
      quotes = false;
      end = std::min(list.find(','), list.size());
    }
    std::string_view element = list.substr(0, end);
    list.remove_prefix(end < list.size() ? end + 1 : list.size());
    auto semicolon = element.find(';');
    if (!iequals(trim(element.substr(0, semicolon)), kCdnId)) continue;
    std::string_view route;
    if (semicolon != std::string_view::npos) {
      const auto parameter = trim(element.substr(semicolon + 1));
      if (parameter.starts_with("r=")) route = trim(parameter.substr(2, parameter.find(';') - 2));
    }
    fn(route);
  }
}

// Passes through any Sluice.
constexpr std::size_t passes(std::string_view list) {
  std::size_t n = 0;
  for_each_pass(list, [&](std::string_view) { ++n; });
  return n;
}

}  // namespace sluice
