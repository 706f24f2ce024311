#pragma once
#include <cstdint>

#include "base/variables.h"

namespace sluice::model {

// permanent-redirect, temporal-redirect: each request is answered by it.
struct Redirect {
  std::uint16_t status = 301;
  Template location;      // absolute URL or path, already validated
  bool temporal = false;  // temporal-redirect asked for it
  bool operator==(const Redirect&) const = default;
};

}  // namespace sluice::model
