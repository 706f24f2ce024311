#pragma once
#include <string>

namespace sluice::model {

// All requests are sent to the same place of another host (from-to-www-redirect).
struct ToHost {
  std::string host;
  bool operator==(const ToHost&) const = default;
};

}  // namespace sluice::model
