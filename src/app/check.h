#pragma once
#include <ostream>

#include "control/control.h"

namespace sluice::app {

// `sluice check`: reads the directory once, compiles it as `serve` does, and prints what is served, refused and
// ignored, as text or as one JSON object. Returns 0 when there is nothing to fix, 1 for warnings with `strict`, 2 for
// errors and when the directory cannot be read.
int run_check(const control::Settings& settings, bool json, bool strict, std::ostream& out);

}  // namespace sluice::app
