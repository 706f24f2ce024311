#pragma once
#include <functional>
#include <string>
#include <string_view>

#include "control/source/disclosure.h"
#include "control/source/node.h"

// The fields that objects have in the Kubernetes API, and what an object has beside them.
namespace sluice::control {

// A member of an object that is not taken as it is written.
struct OddField {
  std::string path;        // as it may be shown
  const Node* value;       // of the last such member
  bool repeated = false;   // the key stands twice; else the API has no such field
  std::string suggestion;  // of the field that may have been meant, from the same place; empty: none comes to mind
};

// Calls `take` for each, in the order of the text. `kind`: one of kKinds. What is below `status` and `managedFields` is
// the API server's own and not judged.
void find_odd_fields(const Node& object, std::string_view kind, const Disclosure& shown,
                     const std::function<void(OddField)>& take);

}  // namespace sluice::control
