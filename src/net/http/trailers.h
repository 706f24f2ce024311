#pragma once
#include <cstddef>
#include <string_view>

namespace sluice::net::http {

inline constexpr std::size_t kMostTrailers = 8192;
inline constexpr unsigned kMostTrailerFields = 64;

// May a field of this name travel in a trailer section? Any case.
bool allowed_in_trailers(std::string_view name) noexcept;

}  // namespace sluice::net::http
