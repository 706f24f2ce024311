#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace sluice::model {

// custom-http-errors and default-backend: a Service answers in place of errors, and of another Service without
// endpoints.
struct ErrorPages {
  std::vector<std::uint16_t> statuses;  // that it answers in place of, in order
  std::string service;                  // of the namespace of the Ingress; "": the default backend of all
  bool of_pods = true;                  // responses of pods too, not only our own
  bool operator==(const ErrorPages&) const = default;
};

}  // namespace sluice::model
