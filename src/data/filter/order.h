#pragma once
#include <optional>
#include <span>
#include <string_view>

#include "data/filter/step.h"

// The order in which features have their say, with the reason why each stands where it does.
namespace sluice::data {

struct Ordered {
  const Row* row;
  std::string_view why_here;
};
// Those that Plans are made of, each where it stands inside its phases.
std::span<const Ordered> planned();

// A question that every request with a route is asked, between the answers and the guards of its Plan.
struct Always {
  std::string_view name;
  std::optional<LocalReply> (*decide)(const RequestView&);
  void (*effect)(Exchange&, bool passed);  // once it is decided; null: none
  std::string_view why_here;
};
std::span<const Always> destination();

}  // namespace sluice::data
