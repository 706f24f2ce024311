#pragma once
#include <map>
#include <set>
#include <string>
#include <utility>

#include "model/model.h"

// Which regular expressions of all server-alias count: there are so many places, and namespaces get theirs in turns.
namespace sluice::control {

// One thread. A namespace wants a name once, be it by several hosts.
class NamePlaces {
 public:
  using Given = std::set<std::pair<std::string, std::string>>;  // namespace, name

  void add(const std::string& ns, const model::Age& age, const std::string& name);
  // What was added.
  void remove(const std::string& ns, const model::Age& age, const std::string& name);

  // In each round a namespace gets a place for the oldest of its names that has none. Where a round has fewer places
  // than namespaces, those that want the fewest names come first, then those whose name is the oldest. The cost is that
  // of the namespaces, and of the places.
  Given give(std::size_t places) const;

 private:
  struct Wanted {
    std::map<std::string, std::set<model::Age>> ages;       // by name
    std::set<std::pair<model::Age, std::string>> in_order;  // each name with the oldest of its ages
  };
  std::map<std::string, Wanted> by_namespace_;
};

}  // namespace sluice::control
