#include <array>

#include "control/kube/annotations/values.h"

namespace sluice::control::annotation {

namespace {

constexpr std::array kSslRedirectRows{
    Annotation{.name = "force-ssl-redirect",
               .value = boolean<&RouteSettings::force_ssl_redirect>,
               .risk = model::Risk::medium,
               .option = "force-ssl-redirect",
               .doc = "redirect to https even when the host has no TLS section"},
    Annotation{.name = "preserve-trailing-slash",
               .value = boolean<&RouteSettings::preserve_trailing_slash>,
               .risk = model::Risk::medium,
               .option = "preserve-trailing-slash",
               .doc = "keep a final / in the redirect to https"},
    Annotation{.name = "ssl-redirect",
               .value = boolean<&RouteSettings::ssl_redirect>,
               .option = "ssl-redirect",
               .doc = "redirect http to https when the host has a TLS section"},
};

}  // namespace

AnnotationFamily ssl_redirect() {
  return {kSslRedirectRows};
}

}  // namespace sluice::control::annotation
