#include <algorithm>
#include <array>

#include "control/kube/annotations/guard.h"

namespace sluice::control {

namespace {
using model::Risk;
struct Rated {
  std::string_view name;
  Risk risk;
};

// Sorted; all others are low.
constexpr std::array kRated{
    Rated{"affinity-mode", Risk::medium},
    Rated{"allowlist-source-range", Risk::medium},
    Rated{"app-root", Risk::medium},
    Rated{"auth-cache-duration", Risk::medium},
    Rated{"auth-cache-key", Risk::medium},
    Rated{"auth-proxy-set-headers", Risk::medium},
    Rated{"auth-realm", Risk::medium},
    Rated{"auth-request-redirect", Risk::medium},
    Rated{"auth-response-headers", Risk::medium},
    Rated{"auth-secret", Risk::medium},
    Rated{"auth-signin", Risk::high},
    Rated{"auth-signin-redirect-param", Risk::medium},
    Rated{"auth-snippet", Risk::critical},
    Rated{"auth-tls-error-page", Risk::high},
    Rated{"auth-tls-match-cn", Risk::high},
    Rated{"auth-tls-secret", Risk::medium},
    Rated{"auth-tls-verify-client", Risk::medium},
    Rated{"auth-url", Risk::high},
    Rated{"canary-by-cookie", Risk::medium},
    Rated{"canary-by-header", Risk::medium},
    Rated{"canary-by-header-pattern", Risk::medium},
    Rated{"canary-by-header-value", Risk::medium},
    Rated{"configuration-snippet", Risk::critical},
    Rated{"cors-allow-headers", Risk::medium},
    Rated{"cors-allow-methods", Risk::medium},
    Rated{"cors-allow-origin", Risk::medium},
    Rated{"cors-expose-headers", Risk::medium},
    Rated{"custom-headers", Risk::medium},
    Rated{"denylist-source-range", Risk::medium},
    Rated{"fastcgi-index", Risk::medium},
    Rated{"fastcgi-params-configmap", Risk::medium},
    Rated{"force-ssl-redirect", Risk::medium},
    Rated{"mirror-host", Risk::high},
    Rated{"mirror-target", Risk::high},
    Rated{"modsecurity-snippet", Risk::critical},
    Rated{"modsecurity-transaction-id", Risk::high},
    Rated{"opentelemetry-operation-name", Risk::medium},
    Rated{"permanent-redirect", Risk::medium},
    Rated{"preserve-trailing-slash", Risk::medium},
    Rated{"proxy-body-size", Risk::medium},
    Rated{"proxy-cookie-domain", Risk::medium},
    Rated{"proxy-cookie-path", Risk::medium},
    Rated{"proxy-next-upstream", Risk::medium},
    Rated{"proxy-redirect-from", Risk::medium},
    Rated{"proxy-redirect-to", Risk::medium},
    Rated{"proxy-ssl-ciphers", Risk::medium},
    Rated{"proxy-ssl-name", Risk::high},
    Rated{"proxy-ssl-secret", Risk::medium},
    Rated{"rewrite-target", Risk::medium},
    Rated{"server-alias", Risk::high},
    Rated{"server-snippet", Risk::critical},
    Rated{"session-cookie-domain", Risk::medium},
    Rated{"session-cookie-expires", Risk::medium},
    Rated{"session-cookie-max-age", Risk::medium},
    Rated{"session-cookie-name", Risk::medium},
    Rated{"session-cookie-path", Risk::medium},
    Rated{"stream-snippet", Risk::critical},
    Rated{"temporal-redirect", Risk::medium},
    Rated{"upstream-hash-by", Risk::high},
    Rated{"whitelist-source-range", Risk::medium},
    Rated{"x-forwarded-prefix", Risk::medium},
};
static_assert(std::ranges::is_sorted(kRated, {}, &Rated::name));
}  // namespace

Risk risk_of(std::string_view annotation) {
  const auto it = std::ranges::lower_bound(kRated, annotation, {}, &Rated::name);
  return it != kRated.end() && it->name == annotation ? it->risk : Risk::low;
}

}  // namespace sluice::control
