#include <array>

#include "base/strings.h"
#include "control/kube/annotations/values.h"
#include "control/kube/external_auth.h"

// mirror-target, mirror-host, mirror-request-body.
namespace sluice::control::annotation {

namespace {

constexpr std::string_view kMirrorTarget = "mirror-target";

std::string read_mirror_target(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  model::ExternalAuth url;
  if (auto expected = read_auth_url(v, url); !expected.empty()) return expected;
  if (url.by_host) return "an absolute http or https URL whose host is a name or an address";
  auto& mirror = out.mirror.mirror;
  mirror.url = v;
  mirror.tls = url.tls;
  mirror.host = std::move(url.host);
  mirror.port = url.port;
  mirror.host_header = url.host_header.text();
  // Without a path it is the request's own that is meant.
  const auto scheme = v.find("://") + 3;
  mirror.target = v.find_first_of("/?$", scheme) == std::string_view::npos ? Template("$request_uri") : url.target;
  return {};
}
std::string print_mirror_target(const ServedRoute& served) {
  return served.settings.mirror ? served.settings.mirror->url : "";
}

std::string read_mirror_host(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  if (!made_of(v, "-._:[]")) return "a host, and a port where it is wanted";
  out.mirror.host = v;
  return {};
}
std::string print_mirror_host(const ServedRoute& served) {
  const auto& mirror = served.settings.mirror;
  model::ExternalAuth of_target;
  if (!mirror || !read_auth_url(mirror->url, of_target).empty()) return "";
  return mirror->host_header == of_target.host_header.text() ? "" : mirror->host_header;
}

std::string read_mirror_body(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  const auto on = parse_on_off(v);
  if (!on) return "on or off";
  out.mirror.mirror.body = *on;
  return {};
}
std::string print_mirror_body(const ServedRoute& served) {
  return on_off_text(!served.settings.mirror || served.settings.mirror->body);
}

constexpr std::array kMirrorRows{
    Annotation{.name = "mirror-host",
               .value = {"host", read_mirror_host, print_mirror_host, White::any_or_absent},
               .risk = model::Risk::high,
               .otherwise = "the host of mirror-target",
               .needs = kMirrorTarget,
               .doc = "Host of copies"},
    Annotation{.name = "mirror-request-body",
               .value = {"on or off", read_mirror_body, print_mirror_body, White::spaces},
               .initial = "on",
               .needs = kMirrorTarget,
               .doc = "copies have the body of the request"},
    Annotation{
        .name = kMirrorTarget,
        .value = {"URL", read_mirror_target, print_mirror_target, White::any_or_absent},
        .risk = model::Risk::high,
        .doc = "who gets a copy of each request; what becomes of it is nothing to the request ([mirrors](mirrors.md))"},
};

void finish_mirror(AnnotationResult& out) {
  auto& written = out.values.mirror;
  if (written.mirror.url.empty()) return;
  if (!written.host.empty()) written.mirror.host_header = written.host;
  out.values.settings.mirror = written.mirror;
}

}  // namespace

AnnotationFamily mirror() {
  return {kMirrorRows, finish_mirror};
}

}  // namespace sluice::control::annotation
