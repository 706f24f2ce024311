#pragma once
#include <algorithm>
#include <boost/container/flat_map.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text.h"

// What was refused, ignored or doubtful, and why. Written by control (translators) and by data/snapshot (compile);
// read by `sluice check`, the admin pages, logs and metrics. Never read back by anything that decides.
namespace sluice::model {

// Where an object came from. `file` is relative to the source's root; line counts from 1, 0 when unknown.
struct Origin {
  Text file;
  int line = 0;
  bool operator==(const Origin&) const = default;
};

struct ObjectRef {
  Text kind;  // "Ingress", "Secret", … ; "File" for a file that could not be read
  Text ns;
  Text name;
  Origin origin;
  // "Ingress default/app"
  std::string text() const { return ns.empty() ? kind + " " + name : kind + " " + ns + "/" + name; }
  bool operator==(const ObjectRef&) const = default;
};

// ignored: not ours to serve (another class, an unknown kind). warning: served, but not as written.
// error: something that was asked for is not served.
enum class Severity : std::uint8_t { ignored, warning, error };

// Every refusal names the object, the field, the value, what was expected, and what happens instead.
struct Problem {
  Severity severity = Severity::warning;
  std::string
      reason;  // stable CamelCase word for metrics and Events: "InvalidAnnotation", "NoEndpoints", "PathConflict"…
  std::string field;        // "spec.rules[0].http.paths[1].path", "metadata.annotations[proxy-body-size]"
  std::string value;        // as written, at most 120 bytes; empty for secret material
  std::string expected;     // "a size such as 8m"
  std::string consequence;  // "the default 1m is used"
  bool operator==(const Problem&) const = default;
};

struct Entry {
  ObjectRef object;
  Problem problem;
  std::size_t objects = 1;  // that it stands for
  bool operator==(const Entry&) const = default;
};

// About an object of a kind that Sluice does not read: charts are full of them, and nothing is wrong with them.
inline bool of_other_kind(const Entry& e) {
  return e.problem.severity == Severity::ignored && e.problem.reason == "UnknownKind";
}

// The problems of one thing (a file, an object, a host): the first kMost, and how many more there are. A thing with a
// million of them takes no more memory than one with a hundred. Objects of other kinds take no place of what is said
// of ours: as many of these are kept beside them, and the others are counted by their kinds.
class Entries {
 public:
  static constexpr std::size_t kMost = 100;

  void push_back(Entry entry) {
    const bool other = of_other_kind(entry);
    if ((other ? others_ : told_.size() - others_) == kMost) return leave_out(entry);
    others_ += other ? 1 : 0;
    told_.push_back(std::move(entry));
  }
  void add(const Entries& others);
  // Keeps `most` of them at most and `most_others` objects of other kinds, and counts the rest.
  void keep(std::size_t most, std::size_t most_others);
  // Appends them, and such as say how many more there are.
  void append_to(std::vector<Entry>& out) const;
  std::vector<Entry> all() const;

  bool empty() const noexcept { return told_.empty(); }
  std::size_t size() const noexcept { return told_.size(); }  // of those that are kept
  std::size_t others() const noexcept { return others_; }     // of these, about objects of other kinds
  Entry& operator[](std::size_t i) { return told_[i]; }
  const Entry& operator[](std::size_t i) const { return told_[i]; }
  auto begin() noexcept { return told_.begin(); }
  auto end() noexcept { return told_.end(); }
  auto begin() const noexcept { return told_.begin(); }
  auto end() const noexcept { return told_.end(); }
  bool operator==(const Entries&) const = default;

 private:
  void leave_out(const Entry& entry);
  void leave_out(Severity severity, std::size_t count) noexcept {
    left_out_ += count;
    worst_ = std::max(worst_, severity);
  }
  void count_kind(const std::string& kind, std::size_t count);
  // There is one of these for each Secret that is named: it is small.
  std::vector<Entry> told_;
  boost::container::flat_map<std::string, std::size_t> other_kinds_;  // objects that were left out, of kMost kinds
  std::size_t left_out_ = 0;
  std::uint32_t others_ = 0;            // of told_
  Severity worst_ = Severity::ignored;  // of those that were left out
};

// Entries in a stable order (kind, namespace, name, field).
struct Report {
  static constexpr std::size_t kMost = 50'000;  // entries; the worst are kept
  std::vector<Entry> entries;
  std::size_t count(Severity s) const;
  // Leaves out the least severe beyond kMost, and says how many.
  void limit();
  // One line: "default/app.yaml:12 Ingress default/app: error InvalidAnnotation field=… value=… expected=… →
  // consequence". Printable: it goes to terminals, logs, Events and answers of the webhook as it is.
  static std::string line(const Entry&);
};

std::string_view to_string(Severity);

}  // namespace sluice::model
