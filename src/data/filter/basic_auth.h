#pragma once
#include "data/plan/step.h"

namespace sluice::data {

// The Step that asks for a password; null: the route asks for none. `alone`: who comes from an allowed address needs
// none either, where the route says that either suffices; else somebody has asked that before.
StepPtr password_step(const model::RouteSettings& settings, bool alone);

// The one of auth-type: digest. `any`: who comes from one of these addresses needs no password; null: everybody does.
StepPtr digest_step(const model::Shared<model::BasicAuth>& auth, const model::SourceRanges* any);

}  // namespace sluice::data
