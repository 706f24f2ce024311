#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
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
  bool operator==(const Entry&) const = default;
};

// Entries in a stable order (kind, namespace, name, field).
struct Report {
  std::vector<Entry> entries;
  std::size_t count(Severity s) const;
  // One line: "default/app.yaml:12 Ingress default/app: error InvalidAnnotation field=… value=… expected=… →
  // consequence"
  static std::string line(const Entry&);
};

std::string_view to_string(Severity);

}  // namespace sluice::model
