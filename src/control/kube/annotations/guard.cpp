#include "control/kube/annotations/guard.h"

#include <algorithm>

#include "base/strings.h"
#include "control/kube/grammar.h"

namespace sluice::control {

Written::Written(const Ingress& ingress, std::string_view prefix, const std::set<std::string>& accepted,
                 const model::Options& options) {
  for (const auto& [full, value] : ingress.meta.annotations) {
    if (full.size() <= prefix.size() + 1 || !full.starts_with(prefix) || full[prefix.size()] != '/') continue;
    const auto name = std::string_view(full).substr(prefix.size() + 1);
    const bool forbidden = name.ends_with("-snippet") && !options.allow_snippet_annotations;
    const bool left_out = accepted.contains(std::string(name)) && (forbidden || !is_served(name, value));
    (left_out ? accepted_ : values_).emplace(name, value);
  }
}

std::string_view Written::raw(std::string_view name) const {
  const auto it = values_.find(name);
  return it == values_.end() ? std::string_view() : it->second;
}

std::string_view Written::operator[](std::string_view name) const {
  return trim_of(raw(name), kBlank);
}

namespace guard {

namespace {

Guard closing(Closes what, std::string_view name) {
  Guard out;
  out.closes = what;
  out.severity = model::Severity::error;
  out.expected += ", or --accept-unprotected " + std::string(name);
  out.consequence =
      what == Closes::host
          ? "all paths of its namespace at its hosts answer 503, as serving them without this protection would open "
            "them"
          : "the paths of this Ingress answer 503, as serving them without this protection would open them";
  return out;
}

Guard honoured() {
  Guard out;
  out.silent = true;
  return out;
}

}  // namespace

// Connections to the service of auth-url are always kept, as those to pods are.
Guard kept_connections(std::string_view, const Written&, const model::Options&) {
  return honoured();
}

// It opts out of global-auth-url (external_auth.cpp).
Guard enable_global_auth(std::string_view, const Written&, const model::Options&) {
  return honoured();
}

Guard enable_modsecurity(std::string_view value, const Written&, const model::Options&) {
  const auto on = parse_bool(value);
  if (on) return *on ? closing(Closes::paths, "enable-modsecurity") : honoured();
  Guard out;
  out.reason = "InvalidAnnotation";
  out.expected = "true or false";
  return out;
}

// Of a connection that is no request, or for what closes by itself (enable-modsecurity).
Guard other_snippet(std::string_view, const Written&, const model::Options& options) {
  Guard out;
  if (options.allow_snippet_annotations) return out;
  out.severity = model::Severity::error;
  out.expected = "no snippet: allow-snippet-annotations is false";
  out.consequence = "the Ingress is served without it";
  return out;
}

}  // namespace guard

}  // namespace sluice::control
