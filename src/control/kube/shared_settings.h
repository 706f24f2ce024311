#pragma once
#include <cstddef>
#include <memory>

#include "model/model.h"

namespace sluice::control {

// Keeps one copy of settings that are equal: most Ingresses of a cluster say the same. Those that differ share what is
// equal of them all the same, part by part: the users of a Secret that a thousand Ingresses name beside values of their
// own are there once. Nobody lists the parts: they are the members of RouteSettings that are Shared or Common, and
// theirs. All are known without being kept: they go with the last who has them. One thread; what it hands out may go
// anywhere.
class SharedSettings {
 public:
  SharedSettings();
  ~SharedSettings();

  model::Shared<model::RouteSettings> of(model::RouteSettings settings);
  std::size_t size() const;

 private:
  class Parts;
  std::unique_ptr<Parts> parts_;
  model::Shared<model::RouteSettings> last_;  // that were asked for: the next Ingress often says the same
};

}  // namespace sluice::control
