#include "control/kube/annotations/registry.h"
#include "control/kube/grammar.h"

namespace sluice::control::annotation {

namespace {
// Bare seconds. nginx reads 0 as "at once".
std::string seconds(std::string_view v, model::Millis& out) {
  auto n = parse_int(v);
  if (!n || *n < 0 || *n > 31'536'000) return "seconds, a bare number";
  out = std::chrono::seconds(*n);
  return {};
}
}  // namespace

std::string proxy_body_size(std::string_view v, const Ingress&, AnnotationValues& out) {
  auto n = parse_size(v);
  if (!n) return "a size such as 8m, or 0 for no limit";
  out.settings.body_limit = *n;
  return {};
}

std::string proxy_connect_timeout(std::string_view v, const Ingress&, AnnotationValues& out) {
  return seconds(v, out.settings.connect_timeout);
}
std::string proxy_send_timeout(std::string_view v, const Ingress&, AnnotationValues& out) {
  return seconds(v, out.settings.send_timeout);
}
std::string proxy_read_timeout(std::string_view v, const Ingress&, AnnotationValues& out) {
  return seconds(v, out.settings.read_timeout);
}

std::string proxy_buffer_size(std::string_view v, const Ingress&, AnnotationValues& out) {
  auto n = parse_size(v);
  if (!n || *n == 0 || *n > (64U << 20)) return "a size such as 8k, at most 64m";
  out.settings.response_head_limit = *n;
  return {};
}

std::string proxy_request_buffering(std::string_view v, const Ingress&, AnnotationValues& out) {
  auto b = parse_on_off(v);
  if (!b) return "on or off";
  out.settings.request_buffering = *b;
  return {};
}

std::string proxy_next_upstream_tries(std::string_view v, const Ingress&, AnnotationValues& out) {
  auto n = parse_int(v);
  if (!n || *n < 0 || *n > 1000) return "a number of tries, 0 for all endpoints";
  out.settings.tries = static_cast<std::uint32_t>(*n);
  return {};
}

std::string proxy_next_upstream_timeout(std::string_view v, const Ingress&, AnnotationValues& out) {
  return seconds(v, out.settings.tries_timeout);
}

std::string enable_access_log(std::string_view v, const Ingress&, AnnotationValues& out) {
  auto b = parse_bool(v);
  if (!b) return "true or false";
  out.settings.access_log = *b;
  return {};
}

}  // namespace sluice::control::annotation
