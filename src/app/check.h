#pragma once
#include <ostream>

#include "control/control.h"

namespace sluice::app {

struct CheckOptions {
  bool json = false;
  bool strict = false;
  bool all = false;  // every problem on a line of its own
};

// `sluice check`: reads the manifests or the cluster once, compiles it as `serve` does, and prints what is served,
// refused and ignored, as text or as one JSON object. Returns 0 when there is nothing to fix, 1 for warnings with
// `strict`, 2 for errors and when they cannot be read.
int run_check(const control::Settings& settings, const CheckOptions& options, std::ostream& out);

}  // namespace sluice::app
