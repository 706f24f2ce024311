#pragma once
#include "base/variables.h"

namespace sluice::model {

// What becomes of the path on its way to pods (rewrite-target).
struct Rewrite {
  Template target;    // a path, or an absolute URL to redirect to; $1 to $9 are groups of the route's pattern
  Template prefix{};  // X-Forwarded-Prefix, likewise with groups; empty: the client's
  bool operator==(const Rewrite&) const = default;
};

}  // namespace sluice::model
