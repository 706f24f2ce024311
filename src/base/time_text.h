#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

namespace sluice {

// Seconds since 1970 of an RFC 3339 time in UTC or with an offset, as Kubernetes' metav1.Time is written; fractions are
// cut off. Nothing when it is not one.
std::optional<std::int64_t> parse_rfc3339(std::string_view text);

}  // namespace sluice
