#include <array>

#include "control/kube/annotations/values.h"

namespace sluice::control::annotation {

namespace {

std::string read_body_size(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  const auto n = parse_size(v);
  if (!n) return "a size such as 8m, or 0 for no limit";
  out.settings.body_limit = *n;
  return {};
}
std::string print_body_size(const ServedRoute& served) {
  const auto limit = served.settings.body_limit;
  return limit == 0 ? "0 (no limit)" : size_text(limit);
}

std::string read_buffer_size(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  const auto n = parse_size(v);
  if (!n || *n == 0 || *n > (64U << 20)) return "a size such as 8k, at most 64m";
  out.settings.response_head_limit = *n;
  return {};
}
std::string print_buffer_size(const ServedRoute& served) {
  return size_text(served.settings.response_head_limit);
}

std::string read_tries(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  const auto n = parse_int(v);
  if (!n || *n < 0 || *n > 1000) return "a number of tries, 0 for all endpoints";
  out.settings.tries = static_cast<std::uint32_t>(*n);
  return {};
}
std::string print_tries(const ServedRoute& served) {
  return std::to_string(served.settings.tries);
}

std::string read_conditions(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  const auto conditions = parse_retry_conditions(v);
  if (!conditions) return std::string(kRetryGrammar);
  out.settings.retry_on = *conditions;
  return {};
}
std::string print_conditions(const ServedRoute& served) {
  return retry_conditions_text(served.settings.retry_on);
}

constexpr std::array kProxyRows{
    Annotation{.name = "proxy-body-size",
               .value = {"size", read_body_size, print_body_size},
               .risk = model::Risk::medium,
               .option = "proxy-body-size",
               .always_shown = true,
               .doc = "largest request body; beyond it 413; 0 is no limit"},
    Annotation{.name = "proxy-buffer-size",
               .value = {"size", read_buffer_size, print_buffer_size},
               .option = "proxy-buffer-size",
               .doc = "largest response head; beyond it 502"},
    Annotation{.name = "proxy-connect-timeout",
               .value = seconds<&RouteSettings::connect_timeout>,
               .option = "proxy-connect-timeout",
               .always_shown = true,
               .doc = "time to connect to a pod"},
    Annotation{.name = "proxy-next-upstream",
               .value = {"words", read_conditions, print_conditions},
               .risk = model::Risk::medium,
               .option = "proxy-next-upstream",
               .doc = "after what another pod is asked: error, timeout, invalid_header, http_500 and the like, "
                      "non_idempotent, or off ([retries](retries.md))"},
    Annotation{.name = "proxy-next-upstream-timeout",
               .value = seconds<&RouteSettings::tries_timeout>,
               .option = "proxy-next-upstream-timeout",
               .doc = "time in which further tries may start; 0 is no limit"},
    Annotation{.name = "proxy-next-upstream-tries",
               .value = {"number", read_tries, print_tries},
               .option = "proxy-next-upstream-tries",
               .always_shown = true,
               .doc = "tries in all, the first one included"},
    Annotation{.name = "proxy-read-timeout",
               .value = seconds<&RouteSettings::read_timeout>,
               .option = "proxy-read-timeout",
               .always_shown = true,
               .doc = "time between two reads from a pod"},
    Annotation{.name = "proxy-request-buffering",
               .value = on_off<&RouteSettings::request_buffering>,
               .option = "proxy-request-buffering",
               .doc = "collect chunked request bodies up to 1 MiB"},
    Annotation{.name = "proxy-send-timeout",
               .value = seconds<&RouteSettings::send_timeout>,
               .option = "proxy-send-timeout",
               .always_shown = true,
               .doc = "time between two writes to a pod"},
};

}  // namespace

AnnotationFamily proxy() {
  return {kProxyRows};
}

}  // namespace sluice::control::annotation
