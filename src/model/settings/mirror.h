#pragma once
#include <cstdint>
#include <string>

#include "base/variables.h"

namespace sluice::model {

// mirror-target: somebody else gets a copy of each request.
struct Mirror {
  std::string url;  // as it is written
  bool tls = false;
  std::string host;  // lower case, an address without brackets
  std::uint16_t port = 80;
  Template target;  // path and query
  std::string host_header;
  bool body = true;  // with the request's body
  bool operator==(const Mirror&) const = default;
};

}  // namespace sluice::model
