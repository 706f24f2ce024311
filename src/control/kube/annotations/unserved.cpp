#include <array>
#include <span>

#include "control/kube/annotations/guard.h"

namespace sluice::control {

namespace {
using enum Closes;
using model::Risk;

// Of each the question was: does leaving it out open something? Rates and numbers of connections (limit-*) keep a
// service up and let nobody in; ciphers choose among good ones.
constexpr std::array kUnserved{
    UnservedAnnotation{"auth-keepalive", Risk::low, nothing, guard::kept_connections},
    UnservedAnnotation{"auth-keepalive-requests", Risk::low, nothing, guard::kept_connections},
    UnservedAnnotation{"auth-keepalive-share-vars", Risk::low, nothing, guard::kept_connections},
    UnservedAnnotation{"auth-keepalive-timeout", Risk::low, nothing, guard::kept_connections},
    UnservedAnnotation{"client-body-buffer-size"},
    UnservedAnnotation{"connection-proxy-header"},
    UnservedAnnotation{"enable-global-auth", Risk::low, nothing, guard::enable_global_auth},
    UnservedAnnotation{"enable-modsecurity", Risk::low, paths, guard::enable_modsecurity},
    UnservedAnnotation{"enable-opentelemetry"},
    UnservedAnnotation{"enable-owasp-core-rules"},
    UnservedAnnotation{"enable-rewrite-log"},
    UnservedAnnotation{"fastcgi-index", Risk::medium},
    UnservedAnnotation{"fastcgi-params-configmap", Risk::medium},
    UnservedAnnotation{"http2-push-preload"},
    UnservedAnnotation{"limit-allowlist"},
    UnservedAnnotation{"limit-burst-multiplier"},
    UnservedAnnotation{"limit-connections"},
    UnservedAnnotation{"limit-rate"},
    UnservedAnnotation{"limit-rate-after"},
    UnservedAnnotation{"limit-rpm"},
    UnservedAnnotation{"limit-rps"},
    UnservedAnnotation{"limit-whitelist"},
    UnservedAnnotation{"modsecurity-snippet", Risk::critical, nothing, guard::other_snippet},
    UnservedAnnotation{"modsecurity-transaction-id", Risk::high},
    UnservedAnnotation{"opentelemetry-operation-name", Risk::medium},
    UnservedAnnotation{"opentelemetry-trust-incoming-span"},
    UnservedAnnotation{"proxy-buffering"},
    UnservedAnnotation{"proxy-buffers-number"},
    UnservedAnnotation{"proxy-busy-buffers-size"},
    UnservedAnnotation{"proxy-http-version"},
    UnservedAnnotation{"proxy-max-temp-file-size"},
    UnservedAnnotation{"service-upstream"},
    UnservedAnnotation{"stream-snippet", Risk::critical, nothing, guard::other_snippet},
};
}  // namespace

std::span<const UnservedAnnotation> unserved_annotations() {
  return kUnserved;
}

}  // namespace sluice::control
