#include "control/control.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <stdexcept>

#include "base/descriptor.h"
#include "control/kube/annotations/registry.h"
#include "control/kube/guarding_options.h"
#include "control/kube/options.h"
#include "control/kube/options/families.h"
#include "control/kube/store.h"
#include "control/source/files/directory.h"

namespace sluice::control {

namespace {

// A directory that holds one text as a file, for as long as this lives.
class Spool {
 public:
  explicit Spool(const std::string& path) {
    const auto text = path == "-" ? take(STDIN_FILENO, "standard input") : take_file(path);
    // Whatever a file is called: messages name it so.
    std::string name = std::filesystem::path(path).filename().string();
    if (path == "-") {
      const auto first = text.find_first_not_of(" \t\r\n");
      name = first != std::string::npos && (text[first] == '{' || text[first] == '[') ? "stdin.json" : "stdin.yaml";
    }
    std::string made = (std::filesystem::temp_directory_path() / "sluice-XXXXXX").string();
    if (!::mkdtemp(made.data())) throw std::runtime_error(made + ": " + std::strerror(errno));
    directory_ = made;
    std::ofstream out(directory_ + "/" + name, std::ios::binary);
    if (!(out << text << std::flush)) throw std::runtime_error(directory_ + "/" + name + ": cannot be written");
  }
  ~Spool() {
    std::error_code ec;
    std::filesystem::remove_all(directory_, ec);
  }
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;
  const std::string& directory() const { return directory_; }

 private:
  static std::string take_file(const std::string& path) {
    const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) throw std::runtime_error(path + ": " + std::strerror(errno));
    return take(fd.get(), path);
  }
  // One byte more than is read of a file, so that it is refused as too large there.
  static std::string take(int fd, const std::string& what) {
    std::string out;
    char part[1 << 16];
    while (out.size() <= kMaxFileBytes) {
      const auto n = ::read(fd, part, sizeof part);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) throw std::runtime_error(what + ": " + std::strerror(errno));
      if (n == 0) break;
      out.append(part, static_cast<std::size_t>(n));
    }
    return out;
  }
  std::string directory_;
};

void note(const ObjectChanges& changes, AsWritten& out) {
  for (const auto& object : changes.upserts) {
    out.slices = out.slices || std::holds_alternative<EndpointSlice>(*object);
    if (const auto* secret = std::get_if<Secret>(&*object)) out.pairs = out.pairs || secret->data.contains("tls.crt");
    const auto* ingress = std::get_if<Ingress>(&*object);
    if (!ingress) continue;
    const auto key = ingress->meta.ns + "/" + ingress->meta.name;
    for (const auto& [name, value] : ingress->meta.annotations) out.annotations[key].insert(name.str());
    for (const auto& rule : ingress->rules) out.hosts[key].insert(lower(rule.host));
    if (ingress->default_backend) out.hosts[key].insert("");
  }
}

}  // namespace

Update load_once(const Settings& settings, AsWritten* written) {
  std::error_code ec;
  std::optional<Spool> spool;
  if (settings.manifests == "-" ||
      (std::filesystem::exists(settings.manifests, ec) && !std::filesystem::is_directory(settings.manifests, ec)))
    spool.emplace(settings.manifests);
  Directory directory(spool ? spool->directory() : settings.manifests, settings.default_ns, settings.watch_namespace,
                      spool.has_value());
  auto changes = directory.load();
  if (written) note(changes, *written);
  Store store(settings);
  store.resolve_at_run_time(true);
  store.apply(changes);
  auto problems = directory.problems();
  const auto& only = settings.watch_namespace;
  if (!only.empty() && std::ranges::none_of(changes.upserts, [&](auto& object) { return meta(*object).ns == only; }) &&
      std::ranges::none_of(problems, [&](auto& entry) { return entry.object.ns.view() == only; }))
    problems.push_back({{"CommandLine", "", "--watch-namespace", {}},
                        {model::Severity::warning, "EmptyNamespace", "--watch-namespace", only,
                         "a namespace that objects of the manifests lie in", "no Ingress is served"}});
  store.source_problems(std::move(problems));
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
      "ingress-nginx where it has the key, and as there their case does not matter in the ConfigMap. For a value that "
      "cannot be read, which is reported, the default counts, as "
      "there. Sizes "
      "are bytes or carry k, m or g; durations are seconds or carry s, m, h or d.\n\n"
      "| key | value | default | effect |\n|---|---|---|---|\n";
  const model::Options defaults;
  for (auto& o : options())
    out += "| `" + std::string(o.key) + "` | " + std::string(o.value.grammar) + " | " + cell(o.value.print(defaults)) +
           " | " + std::string(o.doc) + " |\n";
  out +=
      "\n## Keys that close what they would guard\n\nKeys of ingress-nginx that keep somebody out of something, and "
      "are not "
      "served by this version. With a value that forbids something what they would guard is answered 503 "
      "([protection](protection.md)).\n\n| key |\n|---|\n";
  for (const auto& guarding : guarding_options())
    if (std::ranges::find(options(), guarding.key, &Option::key) == options().end())
      out += "| `" + std::string(guarding.key) + "` |\n";
  out +=
      "\n## Keys that change nothing\n\nKeys of ingress-nginx that are known, and reported once where they are there. "
      "Those marked * are not served by "
      "this version; the others have no meaning here.\n\n| key | why |\n|---|---|\n";
  for (const auto& idle : options_of::idle())
    out +=
        "| `" + std::string(idle.key) + "`" + (idle.meaningless ? "" : "\\*") + " | " + std::string(idle.why) + " |\n";
  return out;
}

std::string options_text(const model::Options& options) {
  std::string out;
  const model::Options defaults;
  for (auto& o : control::options())
    if (auto value = o.value.print(options); value != o.value.print(defaults))
      out += std::string(o.key) + "=" + value + "\n";
  // What is read of a ConfigMap that they name.
  if (options.add_headers)
    for (const auto& line : options.add_headers->lines) out += line.name + ": " + line.value.text() + "\n";
  return out;
}

namespace {
std::string_view scope_text(Scope scope) {
  switch (scope) {
    case Scope::location:
      return "its paths";
    case Scope::host:
      return "its namespace at the host";
    case Scope::backend:
      return "its pods";
    case Scope::canary:
      return "requests of its main Ingress";
  }
  return "";
}
std::string_view invalid_text(OnInvalid what) {
  switch (what) {
    case OnInvalid::use_default:
      return "the default is used";
    case OnInvalid::deny:
      return "503 for the Ingress";
    case OnInvalid::drop:
      return "the Ingress is not served";
  }
  return "";
}
}  // namespace

std::string annotations_markdown() {
  std::string out =
      "# Annotations\n\nUnder the prefix `nginx.ingress.kubernetes.io/` (`--annotations-prefix` changes it). A default "
      "that is a name is that of an [option](configmap.md).\n\"Concerns\" says what an annotation changes, "
      "\"risk\" "
      "how ingress-nginx ranks it (`annotations-risk-level`), the last column what a value that cannot be read does;\n"
      "it is reported in each case.\n\n| annotation | value | default | effect | concerns | risk | when invalid "
      "|\n|---|---|---|---|---|---|---|\n";
  const auto column = [&](std::string_view text) { out.append(" | ").append(text); };
  for (const Annotation& a : annotations()) {
    out += "| `" + std::string(a.name) + "`";
    column(a.value.grammar);
    column(cell(std::string(a.initial.empty() ? a.option : a.initial)));
    column(a.doc);
    if (!a.needs.empty()) out += "; needs `" + std::string(a.needs) + "`";
    column(scope_text(a.scope));
    column(to_string(a.risk));
    column(invalid_text(a.on_invalid));
    out += " |\n";
  }
  out +=
      "\n## Not served by this version\n\nThey are reported. What protects never opens "
      "([protection.md](protection.md)): an "
      "Ingress that has one of those marked * answers 503 rather than\nbeing served without it, and with one marked ** "
      "all "
      "paths of its namespace at its hosts do, unless its value forbids nothing. `--accept-unprotected NAME` leaves "
      "one "
      "out instead.\nAn Ingress with a snippet is not served at all, as in ingress-nginx, unless "
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
