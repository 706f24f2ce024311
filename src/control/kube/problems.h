#pragma once
#include <map>
#include <string>
#include <vector>

#include "control/kube/objects.h"
#include "model/report.h"

// What is said of objects, by the part that says it ("host/x", "cluster/x"…). One thread.
namespace sluice::control {

using model::Entries;

class Problems {
 public:
  // All that this part has to say from here on.
  void say(const std::string& part, Entries entries);
  // Of the source, which knows where they are.
  void say_of_source(std::vector<model::Entry> entries);
  // Objects are at other places of their files, and nothing else is new.
  void moved() { changed_ = changed_ || !by_part_.empty(); }
  // Null: nothing.
  const Entries* of(const std::string& part) const;

  bool changed() const noexcept { return changed_; }
  bool take_changed() noexcept { return std::exchange(changed_, false); }
  // Writes all of it, with the places where the objects are now.
  void assemble(const Objects& objects, model::Report& out) const;

 private:
  std::map<std::string, Entries> by_part_;
  std::vector<model::Entry> of_source_;
  std::size_t told_ = 0;  // of all parts together
  bool changed_ = false;
};

}  // namespace sluice::control
