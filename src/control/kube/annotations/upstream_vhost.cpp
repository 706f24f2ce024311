#include <array>

#include "base/strings.h"
#include "control/kube/annotations/values.h"

namespace sluice::control::annotation {

namespace {

// ingress-nginx takes marks of regular expressions, too, which no host has.
std::string read_host(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  model::UpstreamHost wanted;
  auto expected = read_template(v, "-._~:[]", "a host, with variables or without", wanted.host);
  if (expected.empty()) out.settings.upstream_host = std::move(wanted);
  return expected;
}
std::string print_host(const ServedRoute& served) {
  return served.settings.upstream_host ? served.settings.upstream_host->host.text() : "";
}

constexpr std::array kUpstreamVhostRows{
    Annotation{.name = "upstream-vhost",
               .value = {"host with variables", read_host, print_host, White::any_or_absent},
               .on_invalid = OnInvalid::drop,
               .doc = "Host that pods get, instead of the client's ([variables](variables.md)); X-Forwarded-Host stays "
                      "the client's"},
};

}  // namespace

AnnotationFamily upstream_vhost() {
  return {kUpstreamVhostRows};
}

}  // namespace sluice::control::annotation
