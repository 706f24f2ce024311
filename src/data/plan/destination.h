#pragma once
#include <optional>
#include <span>
#include <string_view>

#include "data/plan/step.h"

// Of who answers where the Service has none.
inline constexpr std::string_view kNoEndpoints = "endpoints";

// Where a request leads: what is asked of every one that has a route, with a Plan or without.
namespace sluice::data {

// Such a question. They are asked between the answers and the guards of a Plan.
struct Always {
  std::string_view name;
  std::optional<LocalReply> (*decide)(const RequestView&);
  void (*effect)(Exchange&, bool passed);  // once it is decided; null: none
  std::string_view why_here;
};
// In the order in which they are asked.
std::span<const Always> destination();

}  // namespace sluice::data
