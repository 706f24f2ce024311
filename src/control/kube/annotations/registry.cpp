#include "control/kube/annotations/registry.h"

#include <algorithm>
#include <array>

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
    Annotation{"ssl-passthrough", use_default, a::ssl_passthrough, "boolean", "false",
               "with `--enable-ssl-passthrough`: TLS for the host goes on undecrypted to the Service of its path `/`; "
               "the oldest Ingress of the host decides"},
    Annotation{"ssl-redirect", use_default, a::ssl_redirect, "boolean", "ssl-redirect",
               "redirect http to https when the host has a TLS section"},
    Annotation{"temporal-redirect", drop, a::temporal_redirect, "URL or path", "",
               "answer every request with this redirect; stronger than permanent-redirect"},
    Annotation{"temporal-redirect-code", use_default, a::temporal_redirect_code, "300 to 307", "302",
               "status of temporal-redirect"},
};

constexpr std::array kUnserved{
    UnservedAnnotation{"affinity", false},
    UnservedAnnotation{"affinity-canary-behavior", false},
    UnservedAnnotation{"affinity-mode", false},
    UnservedAnnotation{"allowlist-source-range", true},
    UnservedAnnotation{"app-root", false},
    UnservedAnnotation{"auth-always-set-cookie", false},
    UnservedAnnotation{"auth-cache-duration", false},
    UnservedAnnotation{"auth-cache-key", false},
    UnservedAnnotation{"auth-keepalive", false},
    UnservedAnnotation{"auth-keepalive-requests", false},
    UnservedAnnotation{"auth-keepalive-share-vars", false},
    UnservedAnnotation{"auth-keepalive-timeout", false},
    UnservedAnnotation{"auth-method", false},
    UnservedAnnotation{"auth-proxy-set-headers", false},
    UnservedAnnotation{"auth-realm", false},
    UnservedAnnotation{"auth-request-redirect", false},
    UnservedAnnotation{"auth-response-headers", false},
    UnservedAnnotation{"auth-secret", false},
    UnservedAnnotation{"auth-secret-type", false},
    UnservedAnnotation{"auth-signin", false},
    UnservedAnnotation{"auth-signin-redirect-param", false},
    UnservedAnnotation{"auth-snippet", false},
    UnservedAnnotation{"auth-tls-error-page", false},
    UnservedAnnotation{"auth-tls-match-cn", true},
    UnservedAnnotation{"auth-tls-pass-certificate-to-upstream", false},
    UnservedAnnotation{"auth-tls-secret", true},
    UnservedAnnotation{"auth-tls-verify-client", false},
    UnservedAnnotation{"auth-tls-verify-depth", false},
    UnservedAnnotation{"auth-type", true},
    UnservedAnnotation{"auth-url", true},
    UnservedAnnotation{"canary", false},
    UnservedAnnotation{"canary-by-cookie", false},
    UnservedAnnotation{"canary-by-header", false},
    UnservedAnnotation{"canary-by-header-pattern", false},
    UnservedAnnotation{"canary-by-header-value", false},
    UnservedAnnotation{"canary-weight", false},
    UnservedAnnotation{"canary-weight-total", false},
    UnservedAnnotation{"client-body-buffer-size", false},
    UnservedAnnotation{"configuration-snippet", false},
    UnservedAnnotation{"connection-proxy-header", false},
    UnservedAnnotation{"cors-allow-credentials", false},
    UnservedAnnotation{"cors-allow-headers", false},
    UnservedAnnotation{"cors-allow-methods", false},
    UnservedAnnotation{"cors-allow-origin", false},
    UnservedAnnotation{"cors-expose-headers", false},
    UnservedAnnotation{"cors-max-age", false},
    UnservedAnnotation{"custom-headers", false},
    UnservedAnnotation{"custom-http-errors", false},
    UnservedAnnotation{"default-backend", false},
    UnservedAnnotation{"denylist-source-range", true},
    UnservedAnnotation{"disable-proxy-intercept-errors", false},
    UnservedAnnotation{"enable-cors", false},
    UnservedAnnotation{"enable-global-auth", false},
    UnservedAnnotation{"enable-modsecurity", true},
    UnservedAnnotation{"enable-opentelemetry", false},
    UnservedAnnotation{"enable-owasp-core-rules", false},
    UnservedAnnotation{"enable-rewrite-log", false},
    UnservedAnnotation{"fastcgi-index", false},
    UnservedAnnotation{"fastcgi-params-configmap", false},
    UnservedAnnotation{"from-to-www-redirect", false},
    UnservedAnnotation{"http2-push-preload", false},
    UnservedAnnotation{"limit-allowlist", false},
    UnservedAnnotation{"limit-burst-multiplier", false},
    UnservedAnnotation{"limit-connections", false},
    UnservedAnnotation{"limit-rate", false},
    UnservedAnnotation{"limit-rate-after", false},
    UnservedAnnotation{"limit-rpm", false},
    UnservedAnnotation{"limit-rps", false},
    UnservedAnnotation{"limit-whitelist", false},
    UnservedAnnotation{"load-balance", false},
    UnservedAnnotation{"mirror-host", false},
    UnservedAnnotation{"mirror-request-body", false},
    UnservedAnnotation{"mirror-target", false},
    UnservedAnnotation{"modsecurity-snippet", false},
    UnservedAnnotation{"modsecurity-transaction-id", false},
    UnservedAnnotation{"opentelemetry-operation-name", false},
    UnservedAnnotation{"opentelemetry-trust-incoming-span", false},
    UnservedAnnotation{"proxy-buffering", false},
    UnservedAnnotation{"proxy-buffers-number", false},
    UnservedAnnotation{"proxy-busy-buffers-size", false},
    UnservedAnnotation{"proxy-cookie-domain", false},
    UnservedAnnotation{"proxy-cookie-path", false},
    UnservedAnnotation{"proxy-http-version", false},
    UnservedAnnotation{"proxy-max-temp-file-size", false},
    UnservedAnnotation{"proxy-next-upstream", false},
    UnservedAnnotation{"proxy-redirect-from", false},
    UnservedAnnotation{"proxy-redirect-to", false},
    UnservedAnnotation{"proxy-ssl-location-only", false},
    UnservedAnnotation{"rewrite-target", false},
    UnservedAnnotation{"satisfy", false},
    UnservedAnnotation{"server-alias", false},
    UnservedAnnotation{"server-snippet", false},
    UnservedAnnotation{"service-upstream", false},
    UnservedAnnotation{"session-cookie-change-on-failure", false},
    UnservedAnnotation{"session-cookie-conditional-samesite-none", false},
    UnservedAnnotation{"session-cookie-domain", false},
    UnservedAnnotation{"session-cookie-expires", false},
    UnservedAnnotation{"session-cookie-max-age", false},
    UnservedAnnotation{"session-cookie-name", false},
    UnservedAnnotation{"session-cookie-path", false},
    UnservedAnnotation{"session-cookie-samesite", false},
    UnservedAnnotation{"session-cookie-secure", false},
    UnservedAnnotation{"ssl-ciphers", false},
    UnservedAnnotation{"ssl-prefer-server-ciphers", false},
    UnservedAnnotation{"stream-snippet", false},
    UnservedAnnotation{"upstream-hash-by", false},
    UnservedAnnotation{"upstream-hash-by-subset", false},
    UnservedAnnotation{"upstream-hash-by-subset-size", false},
    UnservedAnnotation{"upstream-vhost", false},
    UnservedAnnotation{"use-port-in-redirects", false},
    UnservedAnnotation{"use-regex", false},
    UnservedAnnotation{"whitelist-source-range", true},
    UnservedAnnotation{"x-forwarded-prefix", false},
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
std::span<const UnservedAnnotation> unserved_annotations() {
  return kUnserved;
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

AnnotationResult read_annotations(const Ingress& ingress, std::string_view prefix, const model::Options& options) {
  AnnotationResult out;
  out.values.settings = default_settings(options);
  for (auto& [full, written] : ingress.meta.annotations) {
    if (full.size() <= prefix.size() + 1 || !full.starts_with(prefix) || full[prefix.size()] != '/') continue;
    std::string_view name = std::string_view(full).substr(prefix.size() + 1);
    std::string_view value = written;
    while (!value.empty() &&
           (value.back() == '\n' || value.back() == '\r' || value.back() == ' ' || value.back() == '\t'))
      value.remove_suffix(1);
    bool trimmed_front = false;
    if (auto first = value.find_first_not_of(" \t\r\n"); first != std::string_view::npos && first > 0)
      trimmed_front = true;
    auto field = "metadata.annotations[" + shorten(name) + "]";
    auto row = std::find_if(kAnnotations.begin(), kAnnotations.end(), [&](auto& r) { return r.name == name; });
    if (row == kAnnotations.end()) {
      auto unserved = std::find_if(kUnserved.begin(), kUnserved.end(), [&](auto& r) { return r.name == name; });
      if (unserved == kUnserved.end()) {
        out.problems.push_back({model::Severity::warning, "UnknownAnnotation", field, shorten(value),
                                "an annotation that docs/annotations.md lists", "it has no effect"});
      } else if (unserved->protects) {
        out.denied = true;
        out.problems.push_back(
            {model::Severity::error, "UnsupportedAnnotation", field, shorten(value),
             "an annotation that this version serves",
             "the paths of this Ingress answer 503, as serving them without this protection would open them"});
      } else {
        out.problems.push_back({model::Severity::warning, "UnsupportedAnnotation", field, shorten(value),
                                "an annotation that this version serves", "it has no effect"});
      }
      continue;
    }
    if (value.empty()) continue;  // as if absent
    // Strings are trimmed as in ingress-nginx; numbers and booleans with blanks are invalid there.
    bool text = row->on_invalid != use_default;
    if (trimmed_front && text) value = value.substr(value.find_first_not_of(" \t\r\n"));
    auto expected =
        has_control(value) ? std::string("a value without control characters") : row->parse(value, ingress, out.values);
    if (expected.empty()) continue;
    out.denied = out.denied || row->on_invalid == deny;
    out.dropped = out.dropped || row->on_invalid == drop;
    out.problems.push_back({row->on_invalid == use_default ? model::Severity::warning : model::Severity::error,
                            "InvalidAnnotation", field, shorten(value), expected,
                            std::string(consequence(row->on_invalid))});
  }
  auto& v = out.values;
  if (!v.temporal_redirect.empty())
    v.settings.redirect = model::Redirect{v.temporal_code, v.temporal_redirect};
  else if (!v.permanent_redirect.empty())
    v.settings.redirect = model::Redirect{v.permanent_code, v.permanent_redirect};
  v.settings.access_log = v.settings.access_log && !options.disable_access_log;
  if (!out.denied && v.proxy_ssl.secret.empty() && v.proxy_ssl != ProxySsl{})
    out.problems.push_back({model::Severity::warning, "NoEffect", "metadata.annotations[proxy-ssl-*]", "",
                            "proxy-ssl-secret beside them", "without proxy-ssl-secret they are ignored"});
  return out;
}

}  // namespace sluice::control
