#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "data/plan/step.h"

// Where a request leads: what is asked of every one that has a route, with a Plan or without.
namespace sluice::data {

// Such a question. They are asked between the answers and the guards of a Plan.
struct Always {
  std::string_view name;
  std::optional<LocalReply> (*decide)(const RequestView&);
  void (*effect)(Exchange&, bool passed);  // once it is decided; null: none
  std::string_view why_here;
};
// Of the one that answers where the Service has none.
inline constexpr std::string_view kNoEndpoints = "endpoints";
// What that is: 503, or 404 where the default backend is it.
std::uint16_t no_endpoints_status(const model::Route& route) noexcept;
// In the order in which they are asked.
std::span<const Always> destination();

// 413 by Content-Length, before a byte of the body is taken, a pod is bothered or anybody is asked who comes. It comes
// before all that a location answers, redirects among it, as in nginx.
inline constexpr std::string_view kBodySize = "body-size";
std::optional<LocalReply> body_size(const RequestView& request);

}  // namespace sluice::data
