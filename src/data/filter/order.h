#pragma once
#include <memory>
#include <span>

#include "data/plan/plan.h"

// The order in which features have their say, with the reason why each stands where it does.
namespace sluice::data {

// Those that Plans are made of, each where it stands inside its phases.
std::span<const Ordered> planned();

// The Plans of all features. Null: nothing is used.
std::shared_ptr<const Plan> plan_of_route(const Needs& needs);
std::shared_ptr<const Plan> plan_of_process(const model::Options& options, bool secured);

}  // namespace sluice::data
