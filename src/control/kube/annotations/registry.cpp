#include "control/kube/annotations/registry.h"

#include <algorithm>
#include <iterator>
#include <unordered_map>

#include "base/nearest.h"
#include "base/strings.h"
#include "control/kube/grammar.h"
#include "control/kube/options.h"
#include "control/source/kind.h"

namespace sluice::control {

namespace {

using enum OnInvalid;

// clang-format off: a line a family
constexpr AnnotationFamily (*kFamilies[])() = {
    annotation::access_log,
    annotation::auth,
    annotation::backend_protocol,
    annotation::balancing,
    annotation::canary,
    annotation::client_auth,
    annotation::cors,
    annotation::custom_headers,
    annotation::error_pages,
    annotation::external_auth,
    annotation::fastcgi,
    annotation::health_check,  // what it comes to goes into what balancing has made
    annotation::mirror,
    annotation::names,
    annotation::paths,
    annotation::priority,
    annotation::proxy,
    annotation::proxy_ssl,
    annotation::redirect,
    annotation::replacement,
    annotation::rewrite,
    annotation::source_range,
    annotation::ssl_ciphers,
    annotation::ssl_passthrough,
    annotation::ssl_redirect,
    annotation::upstream_vhost,
    annotation::snippets,  // what they say stands beside all others
    annotation::limits,    // snippets may say that responses are buffered, without which they have no rate
};
// clang-format on

// The row of an annotation, of all families, served or not.
struct Known {
  const Annotation* served = nullptr;
  const UnservedAnnotation* unserved = nullptr;
};

std::vector<Annotation> joined() {
  std::vector<Annotation> out;
  for (const auto family : kFamilies) {
    const auto rows = family().rows;
    out.insert(out.end(), rows.begin(), rows.end());
  }
  std::ranges::sort(out, {}, &Annotation::name);
  return out;
}

std::unordered_map<std::string_view, Known> all_known() {
  std::unordered_map<std::string_view, Known> out;
  for (const auto& row : annotations()) out[row.name].served = &row;
  for (const auto& row : unserved_annotations()) out[row.name].unserved = &row;
  return out;
}

// Of an unknown one both are null.
Known find(std::string_view name) {
  static const auto known = all_known();
  const auto at = known.find(name);
  return at != known.end() ? at->second : Known{};
}

model::Risk risk_of(const Known& row) {
  return row.served ? row.served->risk : row.unserved ? row.unserved->risk : model::Risk::low;
}

std::string_view consequence(OnInvalid what) {
  switch (what) {
    case use_default:
      return "the default is used";
    case deny:
      return "the paths of this Ingress answer 503";
    case drop:
      return "the Ingress is not served";
  }
  return "";
}

}  // namespace

std::span<const Annotation> annotations() {
  static const std::vector<Annotation> rows = joined();
  return rows;
}

model::Risk risk_of(std::string_view annotation) {
  return risk_of(find(annotation));
}

bool protects(std::string_view annotation) {
  return guards(annotation) || annotation.starts_with("auth-") || annotation.ends_with("-source-range");
}

bool guards(std::string_view annotation) {
  const Known known = find(annotation);
  if (known.served) return known.served->serves != nullptr;
  const auto* row = known.unserved;
  return row && (row->closes != Closes::nothing || row->name.ends_with("-snippet"));
}

bool is_served(std::string_view annotation, std::string_view value) {
  const Known known = find(annotation);
  return known.served && (!known.served->serves || known.served->serves(trim_of(value, kBlank)));
}

namespace {

using model::Severity;

// Why an administrator's rules refuse an Ingress with this annotation; empty when they do not.
std::string against_rules(const Known& row, std::string_view name, std::string_view value,
                          const model::Options& options) {
  const auto risk = risk_of(row);
  if (risk > options.annotations_risk_level) {
    std::string out = "an annotation of no higher risk than " + std::string(to_string(options.annotations_risk_level)) +
                      " (ConfigMap key annotations-risk-level), this one is " + std::string(to_string(risk));
    if (name.ends_with("-snippet") && !options.allow_snippet_annotations) out += ", and allow-snippet-annotations true";
    if (guards(name)) out += "; or --accept-unprotected " + std::string(name);
    return out;
  }
  for (const auto& word : options.annotation_value_word_blocklist)
    if (value.find(word) != std::string_view::npos)
      return "a value without the word " + shorten(word) + " (ConfigMap key annotation-value-word-blocklist)";
  return {};
}

// Names in manifests that were annotations of ingress-nginx once or never, and what does what they ask for.
struct Elsewhere {
  std::string_view name, successor;
  bool taken_away = false;  // by ingress-nginx, which had it
};
constexpr Elsewhere kInPlaceOf[] = {
    {"add-base-url", "x-forwarded-prefix, which pods make their addresses with", true},
    {"base-url-scheme", "x-forwarded-prefix, which pods make their addresses with", true},
    {"body-size", "proxy-body-size"},
    {"client-max-body-size", "proxy-body-size"},
    {"enable-websockets", "no annotation, as WebSockets are passed on"},
    {"grpc-backend", "backend-protocol: GRPC", true},
    {"mirror-uri", "mirror-target", true},
    {"read-timeout", "proxy-read-timeout"},
    {"secure-backends", "backend-protocol: HTTPS", true},
    {"secure-verify-ca-secret", "proxy-ssl-secret", true},
    {"send-timeout", "proxy-send-timeout"},
    {"session-cookie-hash", "affinity: cookie alone; its cookie has no hash to choose", true},
    {"websocket-services", "no annotation, as WebSockets are passed on"},
};

// Of an Ingress: names that are compared with all that are known. Whoever misspells more finds them one by one.
constexpr std::size_t kMostMeant = 10;

// The annotation that was meant, if the name is near to one; empty: none is, or `left` says that enough were looked
// for.
std::string meant(std::string_view name, std::size_t& left) {
  if (left == 0) return {};
  --left;
  static const auto names = [] {
    std::vector<std::string_view> out;
    for (const auto& row : annotations()) out.push_back(row.name);
    for (const auto& row : unserved_annotations()) out.push_back(row.name);
    return out;
  }();
  return nearest(name, names);
}

std::string instead_of_unknown(std::string_view name, std::size_t& left) {
  if (const auto* const at = std::ranges::find(kInPlaceOf, name, &Elsewhere::name); at != std::end(kInPlaceOf))
    return std::string(at->successor) + (at->taken_away ? ", as ingress-nginx took this one away" : "");
  std::string out = "an annotation that docs/annotations.md lists";
  if (is_option(name)) return out + ": this is a key of the ConfigMap";
  const auto known = meant(name, left);
  return known.empty() ? out : out + "; did you mean " + known + "?";
}

// Is this prefix spelt like that of the annotations, and nobody's that is known? `left`: as meant() has it.
bool misspelt(std::string_view written, std::string_view prefix, std::size_t& left) {
  constexpr std::size_t kSlips = 2;  // letters
  static const std::string usual = Settings{}.annotations_prefix;
  const auto longer = std::max(written.size(), prefix.size()) - std::min(written.size(), prefix.size());
  const bool fits = prefix.size() > 4 * kSlips && prefix.size() <= 64 && longer <= kSlips;
  if (!fits || left == 0 || written == usual) return false;
  --left;
  return edits(lower(written), lower(prefix)) <= kSlips;
}

// Annotations that are not read for their prefix: one of those that are read under another one, or near to one, under
// the prefix of Sluice's own, which Ingresses have none under; and any under a prefix that is misspelt.
void look_at_other_prefixes(const Ingress& ingress, std::string_view prefix, AnnotationResult& out, std::size_t& left) {
  for (const auto& [full, value] : ingress.meta.annotations) {
    auto name = full.view();
    const auto slash = name.find('/');
    const auto written = name.substr(0, slash);
    if (slash == std::string_view::npos || written == prefix || name == kVerdict) continue;
    name.remove_prefix(slash + 1);
    const bool own = written == kOwnPrefix;
    if (!own && !misspelt(written, prefix, left)) continue;
    const Known row = find(name);
    auto known = row.served || row.unserved ? std::string(name) : meant(name, left);
    if (known.empty()) {
      if (own) continue;
      known = shorten(name);
    }
    out.problems.push_back({Severity::warning, "UnknownAnnotation",
                            "metadata.annotations[" + shorten(full.view()) + "]",
                            row.served && row.served->secret ? "" : shorten(value), std::string(prefix) + "/" + known,
                            "it has no effect"});
  }
}

// An annotation that is not served; `row`: null when it is not known either. `left`: as meant() has it.
void read_unserved(const UnservedAnnotation* row, std::string_view name, std::string_view value, const Written& written,
                   const model::Options& options, AnnotationResult& out, std::vector<model::Problem>& closing,
                   std::size_t& left) {
  const auto field = "metadata.annotations[" + shorten(name) + "]";
  if (!row) {
    out.problems.push_back({Severity::warning, "UnknownAnnotation", field, shorten(value),
                            instead_of_unknown(name, left), "it has no effect"});
    return;
  }
  auto guard = row->judge ? row->judge(value, written, options) : Guard{};
  out.dropped = out.dropped || guard.drops;
  if (guard.closes == Closes::host)
    add_element(out.closing.host, name);
  else if (guard.closes == Closes::paths)
    add_element(guard.authenticates ? out.closing.but_no_auth_locations : out.closing.paths, name);
  if (guard.silent) return;
  (guard.closes == Closes::nothing ? out.problems : closing)
      .push_back({guard.severity, std::string(guard.reason), field, shorten(value), std::move(guard.expected),
                  std::move(guard.consequence)});
}

// Lists may be written over several lines, each of which ingress-nginx trims.
constexpr std::string_view kLists[] = {"list of ranges", "list of names", "list of origins"};

// An annotation of `row`.
void read_served(const Annotation& row, std::string_view raw, const AnnotationContext& context, AnnotationResult& out) {
  using enum White;
  const White white = row.value.white;
  const bool lines = white == any || white == any_or_absent;
  // What refuses a text of several lines counts those in front, too.
  const auto begin = row.lines ? std::size_t{0} : std::min(raw.size(), raw.find_first_not_of(kBlank));
  auto value = white == none ? raw : raw.substr(begin, raw.find_last_not_of(kBlank) + 1 - begin);
  std::string joined;  // what is written over several lines
  if (lines && std::ranges::find(kLists, row.value.grammar) != std::end(kLists) && has_control(value)) {
    joined = on_one_line(value);
    value = joined;
  }
  std::string expected;
  out.values.on_invalid.reset();
  if (trim_of(raw, kBlank).empty())
    expected = std::string(row.value.grammar) + ", not white space alone";
  else if (!row.lines && (has_control(lines || white == blanks ? value : raw) ||
                          (white == blanks && raw.find_first_of("\r\n") != std::string_view::npos)))
    expected = "a value without control characters";
  if (!expected.empty())
    value = raw;
  else if (expected = row.value.parse(value, context, out.values); expected.empty())
    return;
  const OnInvalid what = out.values.on_invalid.value_or(row.on_invalid);
  if (what == deny) add_element(out.closing.denied, row.name);
  out.dropped = out.dropped || what == drop;
  out.problems.push_back({what == use_default ? Severity::warning : Severity::error, "InvalidAnnotation",
                          "metadata.annotations[" + std::string(row.name) + "]", row.secret ? "" : shorten(value),
                          std::move(expected), std::string(consequence(what))});
}

// What stands beside it, or lacks, so that nobody looks at it; empty: somebody does.
std::string unread(const Annotation& row, const Written& written) {
  if (!row.read_with.empty() && written.raw(row.read_with).empty()) return std::string(row.read_with) + " beside it";
  if (!row.read_without.empty() && !written.raw(row.read_without).empty())
    return "no " + std::string(row.read_without) + " beside it";
  if (!row.newer.empty() && !written.raw(row.newer).empty())
    return "one of the two names: " + std::string(row.newer) + " counts";
  return {};
}

// White space alone: is it as if the annotation were not there? What it may hold besides spaces is a matter of its row.
bool is_absent(const Known& row, std::string_view blank) {
  if (!row.served) return row.unserved == nullptr;
  const White white = row.served->value.white;
  return white == White::any_or_absent ||
         (white == White::spaces_or_absent && blank.find_first_not_of(' ') == std::string_view::npos);
}

// A canary that asks clients of the host for a certificate: ingress-nginx goes by it, Sluice by main Ingresses alone.
void close_by_canary(std::string_view name, std::string_view value, AnnotationResult& out,
                     std::vector<model::Problem>& closing) {
  add_element(out.closing.host, name);
  closing.push_back(
      {Severity::error, "UnsupportedAnnotation", "metadata.annotations[" + std::string(name) + "]", shorten(value),
       "the annotation on the main Ingress, not on its canary",
       "all paths of its namespace at its hosts answer 503, as serving them without this protection would "
       "open them"});
}

}  // namespace

AnnotationResult read_annotations(const Ingress& ingress, const Settings& settings, const model::Options& options,
                                  const model::RouteSettings& defaults, LookUp& look_up) {
  AnnotationResult out;
  out.options = &options;
  out.readings = &look_up.readings();
  out.values.settings = defaults;
  const AnnotationContext context{ingress, options, look_up};
  const Written written(ingress, settings.annotations_prefix, settings.accept_unprotected, options);
  for (const auto& [name, raw] : written.accepted())
    out.problems.push_back({Severity::warning, "Unprotected", "metadata.annotations[" + shorten(name) + "]",
                            shorten(raw), "an annotation that this version serves",
                            "it has no effect, as --accept-unprotected says"});
  std::vector<model::Problem> closing;  // said of an Ingress that is served
  out.canary = parse_bool(written.raw("canary")).value_or(false);
  std::string without_effect;  // of a canary
  std::size_t left = kMostMeant;
  for (const auto& [name, raw] : written.all()) {
    if (raw.empty()) continue;  // as if absent
    const Known row = find(name);
    const bool blank = written[name].empty();
    if (blank && (is_absent(row, raw) || (out.canary && !(row.served && row.served->scope == Scope::canary)))) continue;
    if (auto expected = against_rules(row, name, raw, options); !expected.empty()) {
      out.dropped = true;
      out.problems.push_back({Severity::error, "RefusedAnnotation", "metadata.annotations[" + shorten(name) + "]",
                              row.served && row.served->secret ? "" : shorten(written[name]), std::move(expected),
                              "the Ingress is not served"});
      continue;
    }
    const bool of_canary = row.served && row.served->scope == Scope::canary;
    if (of_canary && name != "canary") out.values.canary.beside.emplace_back(name, written[name]);
    if (out.canary && !of_canary) {
      // ingress-nginx asks clients of the whole host for a certificate, whichever of its Ingresses says so.
      if (name == "auth-tls-secret" && trim(written.raw("auth-tls-verify-client")) != "off")
        close_by_canary(name, written[name], out, closing);
      else if (protects(name))
        out.protection.emplace_back(name, written[name]);
      else
        add_element(without_effect, name);
      continue;
    }
    if (auto expected = row.served ? unread(*row.served, written) : std::string(); !expected.empty())
      out.problems.push_back({Severity::warning, "NoEffect", "metadata.annotations[" + std::string(name) + "]",
                              row.served->secret ? "" : shorten(written[name]), std::move(expected),
                              "it has no effect"});
    else if (row.served)
      read_served(*row.served, raw, context, out);
    else
      read_unserved(row.unserved, name, written[name], written, options, out, closing, left);
  }
  look_at_other_prefixes(ingress, settings.annotations_prefix, out, left);
  // All at once: whoever mends one shall not find the next only then.
  for (auto& problem : closing) {
    if (out.dropped) problem.consequence = "the Ingress is not served; were it, " + problem.consequence;
    out.problems.push_back(std::move(problem));
  }
  if (out.canary) {
    if (!without_effect.empty())
      out.problems.push_back({Severity::ignored, "NoEffect", "metadata.annotations", shorten(without_effect),
                              "annotations of the main Ingress, which count for what its canary takes too",
                              "they have no effect"});
    for (const auto family : kFamilies)
      if (family == annotation::canary) family().finish(out);
    return out;
  }
  out.own = {.auth_url = !written["auth-url"].empty(),
             .no_global_auth = !out.values.settings.global_auth,
             .no_modsecurity = !parse_bool(written.raw("enable-modsecurity")).value_or(true)};
  for (const auto family : kFamilies)
    if (const auto finish = family().finish) finish(out);
  return out;
}

}  // namespace sluice::control
