#pragma once
#include <vector>

#include "model/options.h"
#include "model/shared.h"

namespace sluice::model {

// Whose requests are taken, by the client's address (allowlist-, denylist-source-range, block-cidrs). Ranges of IPv4
// count from 96 bits, all of 0.0.0.0/0 too; those of IPv6 hold no address of IPv4, not even ::/0.
struct SourceRanges {
  Common<std::vector<Cidr>> denied;
  Common<std::vector<Cidr>> allowed;  // empty: everybody who is not denied
  bool blocked = false;               // block-cidrs asked for it
  bool operator==(const SourceRanges&) const = default;
};

}  // namespace sluice::model
