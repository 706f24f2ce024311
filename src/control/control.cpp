#include "control/control.h"

#include "control/kube/annotations/registry.h"
#include "control/kube/options.h"
#include "control/kube/store.h"
#include "control/source/files/directory.h"

namespace sluice::control {

Update load_once(const Settings& settings) {
  Directory directory(settings.manifests);
  auto changes = directory.load();
  Store store(settings);
  store.resolve_at_run_time(true);
  store.apply(changes);
  store.source_problems(directory.problems());
  return store.commit();
}

namespace {
std::string cell(std::string text) {
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) text.replace(at, 1, "\\|");
  return text.empty() ? "" : "`" + text + "`";
}
}  // namespace

std::string options_markdown() {
  std::string out =
      "# Options\n\nKeys of the ConfigMap that `--configmap` names, and of `--set KEY=VALUE`, which is stronger. "
      "Names and defaults are those of\n"
      "ingress-nginx where it has the key. A value that cannot be read is reported and leaves the key as it was. Sizes "
      "are bytes or carry k, m or g; durations are seconds or carry s, m, h or d.\n\n"
      "| key | value | default | effect |\n|---|---|---|---|\n";
  const model::Options defaults;
  for (auto& o : options())
    out += "| `" + std::string(o.key) + "` | " + std::string(o.grammar) + " | " + cell(o.print(defaults)) + " | " +
           std::string(o.doc) + " |\n";
  return out;
}

std::string annotations_markdown() {
  std::string out =
      "# Annotations\n\nUnder the prefix `nginx.ingress.kubernetes.io/` (`--annotations-prefix` changes it). The last "
      "column says what a value that cannot be read does;\n"
      "it is reported in each case.\n\n| annotation | value | default | effect | when invalid "
      "|\n|---|---|---|---|---|\n";
  for (auto& a : annotations()) {
    auto invalid = a.on_invalid == OnInvalid::use_default ? "the default is used"
                   : a.on_invalid == OnInvalid::deny      ? "503 for the Ingress"
                                                          : "the Ingress is not served";
    out += "| `" + std::string(a.name) + "` | " + std::string(a.grammar) + " | " + cell(std::string(a.initial)) +
           " | " + std::string(a.doc) + " | " + invalid + " |\n";
  }
  out +=
      "\n## Not served by this version\n\nThey are reported. What protects never opens "
      "([protection.md](protection.md)): an "
      "Ingress that has one of those marked * answers 503 rather than\nbeing served without it, and with one marked ** "
      "all "
      "paths of its namespace at its hosts do, unless its value forbids nothing. `--accept-unprotected NAME` leaves "
      "one "
      "out instead.\nSnippets are never run: an Ingress with one is not served at all, as in ingress-nginx, unless "
      "`annotations-risk-level` is Critical.\n\n";
  bool first = true;
  for (auto& u : unserved_annotations()) {
    out += (first ? "`" : ", `") + std::string(u.name) + "`" +
           (u.closes == Closes::host    ? "**"
            : u.closes == Closes::paths ? "*"
                                        : "");
    first = false;
  }
  return out + "\n";
}

}  // namespace sluice::control
