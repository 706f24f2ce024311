#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include "base/variables.h"

namespace sluice::model {

// A field that we set, in place of all of its name.
struct HeaderLine {
  std::string name;
  Template value;  // one that comes to nothing removes the field
  bool operator==(const HeaderLine&) const = default;
};

// The fields that a ConfigMap names (custom-headers, add-headers, proxy-set-headers).
struct HeaderMap {
  static constexpr std::size_t kMostLines = 64, kMostBytes = 16 * 1024, kMostVariables = 64;
  static constexpr std::size_t kMostRemovals = 1024;  // names that are removed as they cannot be set, beside kMostLines

  std::string config_map;         // "namespace/name"
  std::vector<HeaderLine> lines;  // each name once, whatever the case of its letters
  bool operator==(const HeaderMap&) const = default;
};

}  // namespace sluice::model
