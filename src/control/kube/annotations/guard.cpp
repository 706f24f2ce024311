#include "control/kube/annotations/guard.h"

#include <algorithm>

#include "base/strings.h"
#include "control/kube/grammar.h"

namespace sluice::control {

Written::Written(const Ingress& ingress, std::string_view prefix, const std::set<std::string>& accepted,
                 const model::Options& options) {
  for (const auto& [full, value] : ingress.meta.annotations) {
    auto name = full.view();
    if (name.size() <= prefix.size() + 1 || !name.starts_with(prefix) || name[prefix.size()] != '/') continue;
    name.remove_prefix(prefix.size() + 1);
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

Guard ignored(std::string expected) {
  Guard out;
  out.severity = model::Severity::ignored;
  out.reason = "NoEffect";
  out.expected = std::move(expected);
  return out;
}

Guard dropping(std::string expected) {
  Guard out;
  out.drops = true;
  out.severity = model::Severity::error;
  out.reason = "InvalidAnnotation";
  out.expected = std::move(expected);
  out.consequence = "the Ingress is not served";
  return out;
}

Guard honoured() {
  Guard out;
  out.silent = true;
  return out;
}

}  // namespace

// How nginx does it: whose variables a sub-request sees, how much of an answer is on its way out at once, what it
// writes into its error log. Off is what it is here.
Guard of_nginx(std::string_view value, const Written&, const model::Options&) {
  if (!parse_bool(value).value_or(true)) return honoured();
  return ignored("nothing: it belongs to nginx");
}

// Said once, at the first of them by name. What switches traces off is honoured by making none.
Guard traces(std::string_view value, const Written& all, const model::Options&) {
  constexpr std::string_view kOn = "enable-opentelemetry";
  const bool first = all[kOn].empty() || all[kOn].data() == value.data();
  if (!first || !parse_bool(value).value_or(true)) return honoured();
  return ignored("nothing for now: this version makes no traces");
}

// ingress-nginx reads it where traces are switched on, and hands its error up then.
Guard operation_name(std::string_view value, const Written& all, const model::Options& options) {
  const bool read = parse_bool(all.raw("enable-opentelemetry")).value_or(false);
  if (read && !made_of(all.raw("opentelemetry-operation-name"), "-_ ")) return dropping("letters, digits, - and _");
  return traces(value, all, options);
}

// No browser takes a push any more, and nginx from 1.25 on makes none.
Guard pushes(std::string_view, const Written& all, const model::Options&) {
  const auto on = parse_bool(all.raw("http2-push-preload"));
  if (!on) return dropping("true or false");
  if (!*on) return honoured();
  return ignored("nothing: neither browsers nor nginx know pushes of HTTP/2 any more");
}

// What they say is for enable-modsecurity, which closes where it is on.
Guard beside_modsecurity(std::string_view, const Written& all, const model::Options&) {
  if (parse_bool(all["enable-modsecurity"]).value_or(false)) return honoured();
  return ignored("enable-modsecurity: \"true\" beside it, which closes the paths as it is not served");
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
