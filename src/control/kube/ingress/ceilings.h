#pragma once
#include <map>
#include <string_view>
#include <vector>

#include "control/control.h"
#include "control/source/kinds/ingress.h"

// How many hosts, paths and other names there may be (Ceilings of Settings), and which Ingresses have no room for
// theirs. A host is a KiB and more in each of the Model and the Snapshot, and a text of a few bytes in a manifest.
namespace sluice::control {

// What of the ceilings an Ingress takes: one for each rule, path and defaultBackend, for each host of its TLS sections
// beyond the number of its rules, and for each other name that its annotations ask for at each rule. `prefix`: of its
// annotations. The cost is that of what it says.
std::size_t load_of(const Ingress& ingress, const std::string& prefix);

// Of an Ingress that is not served, as it does not fit.
struct OverCeiling {
  std::size_t has = 0;   // load_of() of it
  std::size_t left = 0;  // for it, behind the older ones of its namespace that fit
  std::size_t most = 0;  // of the namespace
  bool shared = false;   // `most` is the namespace's share of Ceilings::of_all
  bool operator==(const OverCeiling&) const = default;
};

struct Loaded {
  const Meta* meta = nullptr;
  std::size_t load = 0;
};

// Those that do not fit, by their Meta. Inside a namespace the oldest come first; one that does not fit keeps no
// younger one from fitting. Where all namespaces together have more than there may be, they get equal shares, and what
// one does not need of its share is for the others: none that has less than its share loses anything to those that have
// more.
std::map<const Meta*, OverCeiling> who_is_over(std::map<std::string_view, std::vector<Loaded>> by_namespace,
                                               const Ceilings& ceilings);

}  // namespace sluice::control
