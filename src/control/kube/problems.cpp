#include "control/kube/problems.h"

#include <algorithm>
#include <tuple>

namespace sluice::control {

void Problems::say(const std::string& part, Entries entries) {
  auto it = by_part_.find(part);
  if (it != by_part_.end()) told_ -= it->second.size();
  // More than a Report shows is counted, part by part.
  if (told_ + entries.size() > model::Report::kMost) entries.keep(1, 1);
  told_ += entries.size();
  if (entries.empty()) {
    if (it == by_part_.end()) return;
    by_part_.erase(it);
  } else if (it == by_part_.end()) {
    by_part_.emplace(part, std::move(entries));
  } else if (it->second != entries) {
    it->second = std::move(entries);
  } else {
    return;
  }
  changed_ = true;
}

void Problems::say_of_source(std::vector<model::Entry> entries) {
  if (of_source_ == entries) return;
  of_source_ = std::move(entries);
  changed_ = true;
}

const Entries* Problems::of(const std::string& part) const {
  const auto known = by_part_.find(part);
  return known == by_part_.end() ? nullptr : &known->second;
}

void Problems::assemble(const Objects& objects, model::Report& report) const {
  auto& out = report.entries;
  out.clear();
  for (auto& [part, entries] : by_part_) entries.append_to(out);
  for (auto& e : out)
    if (const KindRow* kind = kind_of(e.object.kind))
      if (const Object* object =
              objects.find(static_cast<std::size_t>(kind - kKinds), e.object.ns.str() + "/" + e.object.name))
        e.object.origin = meta(*object).origin;
  out.insert(out.end(), of_source_.begin(), of_source_.end());
  report.limit();
  auto order = [](const model::Entry& e) {
    return std::tie(e.object.kind, e.object.ns, e.object.name, e.problem.field, e.problem.reason, e.problem.value,
                    e.object.origin.file, e.object.origin.line);
  };
  std::stable_sort(out.begin(), out.end(), [&](auto& a, auto& b) { return order(a) < order(b); });
  out.erase(std::unique(out.begin(), out.end()), out.end());
}

}  // namespace sluice::control
