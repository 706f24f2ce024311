#pragma once
#include <compare>
#include <map>
#include <string>

namespace sluice::control {

// Whose status is meant: an object's, and there what is said for one of its parents. A parent is whom the object asks
// to be served by, as its status names it. An Ingress has one, the controller of its class, which its status does not
// name: an empty text.
struct StatusKey {
  std::string kind;    // of kKinds, with has_status
  std::string object;  // "ns/name"
  std::string parent;
  auto operator<=>(const StatusKey&) const = default;
};

// What differs from the last time: is anything of it served now?
using Standings = std::map<StatusKey, bool>;

}  // namespace sluice::control
