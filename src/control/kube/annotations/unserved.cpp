#include <algorithm>
#include <array>
#include <span>

#include "control/kube/annotations/guard.h"

namespace sluice::control {

namespace {
using enum Closes;

// Of each the question was: does leaving it out open something? Rates and numbers of connections (limit-*) keep a
// service up and let nobody in; headers of responses (custom-headers) speak to browsers; ciphers choose among good
// ones. What goes with a guard (auth-secret, auth-signin, satisfy…) guards nothing alone.
constexpr std::array kUnserved{
    UnservedAnnotation{"affinity"},
    UnservedAnnotation{"affinity-canary-behavior"},
    UnservedAnnotation{"affinity-mode"},
    UnservedAnnotation{"allowlist-source-range", paths, guard::allowlist},
    UnservedAnnotation{"app-root"},
    UnservedAnnotation{"auth-always-set-cookie"},
    UnservedAnnotation{"auth-cache-duration"},
    UnservedAnnotation{"auth-cache-key"},
    UnservedAnnotation{"auth-keepalive"},
    UnservedAnnotation{"auth-keepalive-requests"},
    UnservedAnnotation{"auth-keepalive-share-vars"},
    UnservedAnnotation{"auth-keepalive-timeout"},
    UnservedAnnotation{"auth-method"},
    UnservedAnnotation{"auth-proxy-set-headers"},
    UnservedAnnotation{"auth-realm"},
    UnservedAnnotation{"auth-request-redirect"},
    UnservedAnnotation{"auth-response-headers"},
    UnservedAnnotation{"auth-secret"},
    UnservedAnnotation{"auth-secret-type", nothing, guard::auth_secret_type},
    UnservedAnnotation{"auth-signin"},
    UnservedAnnotation{"auth-signin-redirect-param"},
    UnservedAnnotation{"auth-snippet", nothing, guard::other_snippet},
    UnservedAnnotation{"auth-tls-error-page"},
    UnservedAnnotation{"auth-tls-match-cn"},
    UnservedAnnotation{"auth-tls-pass-certificate-to-upstream"},
    UnservedAnnotation{"auth-tls-secret", host, guard::auth_tls_secret},
    UnservedAnnotation{"auth-tls-verify-client"},
    UnservedAnnotation{"auth-tls-verify-depth"},
    UnservedAnnotation{"auth-type", paths, guard::auth_type},
    UnservedAnnotation{"auth-url", paths, guard::auth_url},
    UnservedAnnotation{"canary"},
    UnservedAnnotation{"canary-by-cookie"},
    UnservedAnnotation{"canary-by-header"},
    UnservedAnnotation{"canary-by-header-pattern"},
    UnservedAnnotation{"canary-by-header-value"},
    UnservedAnnotation{"canary-weight"},
    UnservedAnnotation{"canary-weight-total"},
    UnservedAnnotation{"client-body-buffer-size"},
    UnservedAnnotation{"configuration-snippet", paths, guard::configuration_snippet},
    UnservedAnnotation{"connection-proxy-header"},
    UnservedAnnotation{"cors-allow-credentials"},
    UnservedAnnotation{"cors-allow-headers"},
    UnservedAnnotation{"cors-allow-methods"},
    UnservedAnnotation{"cors-allow-origin"},
    UnservedAnnotation{"cors-expose-headers"},
    UnservedAnnotation{"cors-max-age"},
    UnservedAnnotation{"custom-headers"},
    UnservedAnnotation{"custom-http-errors"},
    UnservedAnnotation{"default-backend"},
    UnservedAnnotation{"denylist-source-range", paths, guard::denylist},
    UnservedAnnotation{"disable-proxy-intercept-errors"},
    UnservedAnnotation{"enable-cors"},
    UnservedAnnotation{"enable-global-auth", nothing, guard::enable_global_auth},
    UnservedAnnotation{"enable-modsecurity", paths, guard::enable_modsecurity},
    UnservedAnnotation{"enable-opentelemetry"},
    UnservedAnnotation{"enable-owasp-core-rules"},
    UnservedAnnotation{"enable-rewrite-log"},
    UnservedAnnotation{"fastcgi-index"},
    UnservedAnnotation{"fastcgi-params-configmap"},
    UnservedAnnotation{"from-to-www-redirect"},
    UnservedAnnotation{"http2-push-preload"},
    UnservedAnnotation{"limit-allowlist"},
    UnservedAnnotation{"limit-burst-multiplier"},
    UnservedAnnotation{"limit-connections"},
    UnservedAnnotation{"limit-rate"},
    UnservedAnnotation{"limit-rate-after"},
    UnservedAnnotation{"limit-rpm"},
    UnservedAnnotation{"limit-rps"},
    UnservedAnnotation{"limit-whitelist"},
    UnservedAnnotation{"load-balance"},
    UnservedAnnotation{"mirror-host"},
    UnservedAnnotation{"mirror-request-body"},
    UnservedAnnotation{"mirror-target"},
    UnservedAnnotation{"modsecurity-snippet", nothing, guard::other_snippet},
    UnservedAnnotation{"modsecurity-transaction-id"},
    UnservedAnnotation{"opentelemetry-operation-name"},
    UnservedAnnotation{"opentelemetry-trust-incoming-span"},
    UnservedAnnotation{"proxy-buffering"},
    UnservedAnnotation{"proxy-buffers-number"},
    UnservedAnnotation{"proxy-busy-buffers-size"},
    UnservedAnnotation{"proxy-cookie-domain"},
    UnservedAnnotation{"proxy-cookie-path"},
    UnservedAnnotation{"proxy-http-version"},
    UnservedAnnotation{"proxy-max-temp-file-size"},
    UnservedAnnotation{"proxy-next-upstream"},
    UnservedAnnotation{"proxy-redirect-from"},
    UnservedAnnotation{"proxy-redirect-to"},
    UnservedAnnotation{"satisfy"},
    UnservedAnnotation{"server-alias"},
    UnservedAnnotation{"server-snippet", host, guard::server_snippet},
    UnservedAnnotation{"service-upstream"},
    UnservedAnnotation{"session-cookie-change-on-failure"},
    UnservedAnnotation{"session-cookie-conditional-samesite-none"},
    UnservedAnnotation{"session-cookie-domain"},
    UnservedAnnotation{"session-cookie-expires"},
    UnservedAnnotation{"session-cookie-max-age"},
    UnservedAnnotation{"session-cookie-name"},
    UnservedAnnotation{"session-cookie-path"},
    UnservedAnnotation{"session-cookie-samesite"},
    UnservedAnnotation{"session-cookie-secure"},
    UnservedAnnotation{"ssl-ciphers"},
    UnservedAnnotation{"ssl-prefer-server-ciphers"},
    UnservedAnnotation{"stream-snippet", nothing, guard::other_snippet},
    UnservedAnnotation{"upstream-hash-by"},
    UnservedAnnotation{"upstream-hash-by-subset"},
    UnservedAnnotation{"upstream-hash-by-subset-size"},
    UnservedAnnotation{"upstream-vhost"},
    UnservedAnnotation{"use-port-in-redirects"},
    UnservedAnnotation{"whitelist-source-range", paths, guard::whitelist},
    UnservedAnnotation{"x-forwarded-prefix"},
};
}  // namespace

std::span<const UnservedAnnotation> unserved_annotations() {
  return kUnserved;
}

bool guards(std::string_view annotation) {
  return std::any_of(kUnserved.begin(), kUnserved.end(), [&](const auto& u) {
    return u.name == annotation && (u.closes != nothing || u.name.ends_with("-snippet"));
  });
}

}  // namespace sluice::control
