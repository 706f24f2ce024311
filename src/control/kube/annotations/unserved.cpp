#include <array>
#include <span>

#include "control/kube/annotations/guard.h"

namespace sluice::control {

namespace {
using enum Closes;
using model::Risk;

// Of each the question was: does leaving it out open something?
constexpr std::array kUnserved{
    UnservedAnnotation{"auth-keepalive-share-vars", Risk::low, nothing, guard::of_nginx},
    UnservedAnnotation{"enable-modsecurity", Risk::low, paths, guard::enable_modsecurity},
    UnservedAnnotation{"enable-opentelemetry", Risk::low, nothing, guard::traces},
    UnservedAnnotation{"enable-owasp-core-rules", Risk::low, nothing, guard::beside_modsecurity},
    UnservedAnnotation{"enable-rewrite-log", Risk::low, nothing, guard::of_nginx},
    UnservedAnnotation{"http2-push-preload", Risk::low, nothing, guard::pushes},
    UnservedAnnotation{"modsecurity-snippet", Risk::critical, nothing, guard::other_snippet},
    UnservedAnnotation{"modsecurity-transaction-id", Risk::high, nothing, guard::beside_modsecurity},
    UnservedAnnotation{"opentelemetry-operation-name", Risk::medium, nothing, guard::operation_name},
    UnservedAnnotation{"opentelemetry-trust-incoming-span", Risk::low, nothing, guard::traces},
    UnservedAnnotation{"proxy-busy-buffers-size", Risk::low, nothing, guard::of_nginx},
    UnservedAnnotation{"stream-snippet", Risk::critical, nothing, guard::other_snippet},
};
}  // namespace

std::span<const UnservedAnnotation> unserved_annotations() {
  return kUnserved;
}

}  // namespace sluice::control
