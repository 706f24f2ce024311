#pragma once
#include <algorithm>
#include <cstddef>
#include <string_view>

#include "base/strings.h"

namespace sluice::net::http {

inline constexpr std::size_t kMostTrailers = 8192;
inline constexpr unsigned kMostTrailerFields = 64;

// May a field of this name travel in a trailer section? Any case.
bool allowed_in_trailers(std::string_view name) noexcept;

// Calls take(name, value) for each of the lines "Name: value\r\n"; what is no field is passed over.
template <class Take>
void for_each_line(std::string_view lines, Take&& take) {
  while (!lines.empty()) {
    const auto line = lines.substr(0, lines.find("\r\n"));
    lines.remove_prefix(std::min(line.size() + 2, lines.size()));
    const auto colon = line.find(':');
    if (colon != std::string_view::npos) take(line.substr(0, colon), trim(line.substr(colon + 1)));
  }
}

}  // namespace sluice::net::http
