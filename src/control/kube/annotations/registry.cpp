#include "control/kube/annotations/registry.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "base/strings.h"
#include "control/kube/grammar.h"

namespace sluice::control {

namespace {

using enum OnInvalid;
namespace a = annotation;

constexpr std::array kAnnotations{
    Annotation{
        "ambiguous-paths", deny, a::ambiguous_paths, "raw, normalize or refuse", "ambiguous-paths",
        "Sluice's own: what pods get of a path that two readers may take for different ones: the path as it came, "
        "the path that was matched, or nothing (400)"},
    Annotation{"backend-protocol", use_default, a::backend_protocol, "HTTP, HTTPS, GRPC, GRPCS or AUTO_HTTP, any case",
               "HTTP",
               "what the pods speak: GRPC is HTTP/2, GRPCS HTTP/2 over TLS, AUTO_HTTP is HTTP or HTTPS as the client "
               "came; stronger than the appProtocol of the Service's port"},
    Annotation{"enable-access-log", use_default, a::enable_access_log, "boolean", "true",
               "log the requests of this Ingress"},
    Annotation{"enable-grpc-web", use_default, a::enable_grpc_web, "boolean", "enable-grpc-web",
               "Sluice's own: calls of gRPC-Web become calls of gRPC, for pods that speak GRPC or GRPCS"},
    Annotation{"force-ssl-redirect", use_default, a::force_ssl_redirect, "boolean", "force-ssl-redirect",
               "redirect to https even when the host has no TLS section"},
    Annotation{"permanent-redirect", drop, a::permanent_redirect, "URL or path", "",
               "answer every request with this redirect"},
    Annotation{"permanent-redirect-code", use_default, a::permanent_redirect_code, "300 to 308", "301",
               "status of permanent-redirect"},
    Annotation{"preserve-trailing-slash", use_default, a::preserve_trailing_slash, "boolean", "preserve-trailing-slash",
               "keep a final / in the redirect to https"},
    Annotation{"proxy-body-size", use_default, a::proxy_body_size, "size", "proxy-body-size",
               "largest request body; beyond it 413; 0 is no limit"},
    Annotation{"proxy-buffer-size", use_default, a::proxy_buffer_size, "size", "proxy-buffer-size",
               "largest response head; beyond it 502"},
    Annotation{"proxy-connect-timeout", use_default, a::proxy_connect_timeout, "seconds", "proxy-connect-timeout",
               "time to connect to a pod"},
    Annotation{"proxy-next-upstream-timeout", use_default, a::proxy_next_upstream_timeout, "seconds",
               "proxy-next-upstream-timeout", "time in which further tries may start; 0 is no limit"},
    Annotation{"proxy-next-upstream-tries", use_default, a::proxy_next_upstream_tries, "number",
               "proxy-next-upstream-tries", "tries in all, the first one included"},
    Annotation{"proxy-read-timeout", use_default, a::proxy_read_timeout, "seconds", "proxy-read-timeout",
               "time between two reads from a pod"},
    Annotation{"proxy-request-buffering", use_default, a::proxy_request_buffering, "on or off",
               "proxy-request-buffering", "collect chunked request bodies up to 1 MiB"},
    Annotation{"proxy-send-timeout", use_default, a::proxy_send_timeout, "seconds", "proxy-send-timeout",
               "time between two writes to a pod"},
    Annotation{"proxy-ssl-ciphers", use_default, a::proxy_ssl_ciphers, "OpenSSL list", "DEFAULT",
               "ciphers towards pods up to TLS 1.2"},
    Annotation{"proxy-ssl-name", use_default, a::proxy_ssl_name, "host name", "",
               "name that the pod's certificate must have, and that is sent by SNI"},
    Annotation{"proxy-ssl-protocols", use_default, a::proxy_ssl_protocols, "TLS versions", "TLSv1.2",
               "versions towards pods"},
    Annotation{"proxy-ssl-secret", deny, a::proxy_ssl_secret, "NAMESPACE/NAME", "",
               "Secret with ca.crt and, for client certificates, tls.crt and tls.key; without it the other proxy-ssl-* "
               "have no effect"},
    Annotation{"proxy-ssl-server-name", use_default, a::proxy_ssl_server_name, "on or off", "off",
               "send proxy-ssl-name by SNI"},
    Annotation{"proxy-ssl-verify", use_default, a::proxy_ssl_verify, "on or off", "off",
               "verify the pod's certificate"},
    Annotation{"proxy-ssl-verify-depth", use_default, a::proxy_ssl_verify_depth, "number", "1",
               "longest chain of issuers"},
    Annotation{"relative-redirects", use_default, a::relative_redirects, "boolean", "relative-redirects",
               "Location without scheme and host"},
    Annotation{"rewrite-target", use_default, a::rewrite_target, "path or URL with $1 to $9", "",
               "the path that pods get: $1 to $9 are groups of the path of the Ingress, which is a regular expression "
               "then, as with use-regex; a URL redirects there with 302 ([rewrite](rewrite.md))"},
    Annotation{"ssl-passthrough", use_default, a::ssl_passthrough, "boolean", "false",
               "with `--enable-ssl-passthrough`: TLS for the host goes on undecrypted to the Service of its path `/`; "
               "the oldest Ingress of the host decides"},
    Annotation{"ssl-redirect", use_default, a::ssl_redirect, "boolean", "ssl-redirect",
               "redirect http to https when the host has a TLS section"},
    Annotation{"temporal-redirect", drop, a::temporal_redirect, "URL or path", "",
               "answer every request with this redirect; stronger than permanent-redirect"},
    Annotation{"temporal-redirect-code", use_default, a::temporal_redirect_code, "300 to 307", "302",
               "status of temporal-redirect"},
    Annotation{
        "use-regex", use_default, a::use_regex, "boolean", "false",
        "all paths of its namespace at its hosts are regular expressions that match from the beginning, whatever "
        "the case; the longest text is asked first ([rewrite](rewrite.md))"},
};

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
  return kAnnotations;
}

model::RouteSettings default_settings(const model::Options& o) {
  model::RouteSettings s;
  s.ssl_redirect = o.ssl_redirect;
  s.force_ssl_redirect = o.force_ssl_redirect;
  s.ssl_redirect_status = o.http_redirect_code;
  s.preserve_trailing_slash = o.preserve_trailing_slash;
  s.relative_redirects = o.relative_redirects;
  s.body_limit = o.proxy_body_size;
  s.response_head_limit = o.proxy_buffer_size;
  s.request_buffering = o.proxy_request_buffering;
  s.connect_timeout = o.proxy_connect_timeout;
  s.send_timeout = o.proxy_send_timeout;
  s.read_timeout = o.proxy_read_timeout;
  s.tries = o.proxy_next_upstream_tries;
  s.tries_timeout = o.proxy_next_upstream_timeout;
  s.retry_non_idempotent = o.retry_non_idempotent;
  s.grpc_web = o.enable_grpc_web;
  s.ambiguous_paths = o.ambiguous_paths;
  s.access_log = !o.disable_access_log;
  return s;
}

namespace {

using model::Severity;

// Why an administrator's rules refuse an Ingress with this annotation; empty when they do not.
std::string against_rules(std::string_view name, std::string_view value, const model::Options& options) {
  const auto risk = risk_of(name);
  if (risk > options.annotations_risk_level) {
    std::string out = "an annotation of no higher risk than " + std::string(to_string(options.annotations_risk_level)) +
                      " (ConfigMap key annotations-risk-level), this one is " + std::string(to_string(risk));
    if (guards(name)) out += "; or --accept-unprotected " + std::string(name);
    return out;
  }
  for (const auto& word : options.annotation_value_word_blocklist)
    if (value.find(word) != std::string_view::npos)
      return "a value without the word " + shorten(word) + " (ConfigMap key annotation-value-word-blocklist)";
  return {};
}

// An annotation that has no row among those that are served.
void read_unserved(std::string_view name, std::string_view value, const Written& written, const model::Options& options,
                   AnnotationResult& out, std::vector<model::Problem>& closing) {
  const auto field = "metadata.annotations[" + shorten(name) + "]";
  const auto known = unserved_annotations();
  const auto row = std::find_if(known.begin(), known.end(), [&](auto& r) { return r.name == name; });
  if (row == known.end()) {
    out.problems.push_back({Severity::warning, "UnknownAnnotation", field, shorten(value),
                            "an annotation that docs/annotations.md lists", "it has no effect"});
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

// An annotation of `row`.
void read_served(const Annotation& row, std::string_view raw, const Ingress& ingress, AnnotationResult& out) {
  auto value = raw;
  value = value.substr(0, value.find_last_not_of(kBlank) + 1);
  // Strings are trimmed as in ingress-nginx; numbers and booleans with blanks are invalid there.
  if (row.on_invalid != use_default) value.remove_prefix(std::min(value.size(), value.find_first_not_of(kBlank)));
  auto expected =
      has_control(value) ? std::string("a value without control characters") : row.parse(value, ingress, out.values);
  if (expected.empty()) return;
  if (row.on_invalid == deny) add_element(out.closing.denied, row.name);
  out.dropped = out.dropped || row.on_invalid == drop;
  out.problems.push_back({row.on_invalid == use_default ? Severity::warning : Severity::error, "InvalidAnnotation",
                          "metadata.annotations[" + std::string(row.name) + "]", shorten(value), std::move(expected),
                          std::string(consequence(row.on_invalid))});
}

}  // namespace

AnnotationResult read_annotations(const Ingress& ingress, const Settings& settings, const model::Options& options) {
  AnnotationResult out;
  out.values.settings = default_settings(options);
  const Written written(ingress, settings.annotations_prefix, settings.accept_unprotected);
  for (const auto& [name, raw] : written.accepted())
    out.problems.push_back({Severity::warning, "Unprotected", "metadata.annotations[" + shorten(name) + "]",
                            shorten(raw), "an annotation that this version serves",
                            "it has no effect, as --accept-unprotected says"});
  std::vector<model::Problem> closing;  // said of an Ingress that is served
  out.canary = parse_bool(written.raw("canary")).value_or(false);
  for (const auto& [name, raw] : written.all()) {
    if (written[name].empty()) continue;  // as if absent
    if (auto expected = against_rules(name, raw, options); !expected.empty()) {
      out.dropped = true;
      out.problems.push_back({Severity::error, "RefusedAnnotation", "metadata.annotations[" + shorten(name) + "]",
                              shorten(written[name]), std::move(expected), "the Ingress is not served"});
      continue;
    }
    if (out.canary) continue;
    const auto row = std::find_if(kAnnotations.begin(), kAnnotations.end(), [&](auto& r) { return r.name == name; });
    if (row != kAnnotations.end())
      read_served(*row, raw, ingress, out);
    else
      read_unserved(name, written[name], written, options, out, closing);
  }
  // All at once: whoever mends one shall not find the next only then.
  for (auto& problem : closing) {
    if (out.dropped) problem.consequence = "the Ingress is not served; were it, " + problem.consequence;
    out.problems.push_back(std::move(problem));
  }
  if (out.canary) {
    out.problems.push_back({Severity::warning, "Canary", "metadata.annotations[canary]", shorten(written["canary"]),
                            "an Ingress that is no canary, as this version serves none",
                            "nothing of it is served: all requests are its main Ingress's"});
    return out;
  }
  if (out.values.rewrite_by_variables) {
    add_element(out.closing.denied, "rewrite-target");
    out.problems.push_back({Severity::error, "InvalidAnnotation", "metadata.annotations[rewrite-target]",
                            shorten(written["rewrite-target"]), "no variables but $1 to $9",
                            std::string(consequence(deny))});
  }
  out.own = {.allowlist = !written["allowlist-source-range"].empty() || !written["whitelist-source-range"].empty(),
             .denylist = !written["denylist-source-range"].empty(),
             .auth_url = !written["auth-url"].empty(),
             .no_global_auth = !parse_bool(written.raw("enable-global-auth")).value_or(true),
             .no_modsecurity = !parse_bool(written.raw("enable-modsecurity")).value_or(true)};
  auto& v = out.values;
  if (!v.temporal_redirect.empty())
    v.settings.redirect = model::Redirect{v.temporal_code, v.temporal_redirect};
  else if (!v.permanent_redirect.empty())
    v.settings.redirect = model::Redirect{v.permanent_code, v.permanent_redirect};
  v.settings.access_log = v.settings.access_log && !options.disable_access_log;
  if (out.closing.denied.empty() && v.proxy_ssl.secret.empty() && v.proxy_ssl != ProxySsl{})
    out.problems.push_back({Severity::warning, "NoEffect", "metadata.annotations[proxy-ssl-*]", "",
                            "proxy-ssl-secret beside them", "without proxy-ssl-secret they are ignored"});
  return out;
}

}  // namespace sluice::control
