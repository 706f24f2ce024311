#include <algorithm>
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
  if (!n || *n == 0) return "a size such as 8k";
  // Who writes more means heads that are longer than any; the default would cut them.
  out.settings.response_head_limit = std::min<std::uint64_t>(*n, 64U << 20);
  return {};
}
std::string print_buffer_size(const ServedRoute& served) {
  return size_text(served.settings.response_head_limit);
}

// ingress-nginx hands a value on to nginx that is none; it refuses the Ingress for this one alone.
std::string read_body_memory(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  const auto n = parse_size(v);
  if (!n) return "a size such as 16k";
  out.settings.body_memory = *n;
  return {};
}
std::string print_body_memory(const ServedRoute& served) {
  return size_text(served.settings.body_memory);
}

std::string read_response_buffers(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  const auto n = parse_int(v);
  if (!n || *n < 1 || *n > 4096) return "a number from 1 to 4096";
  out.settings.response_buffers = static_cast<std::uint32_t>(*n);
  return {};
}
std::string print_response_buffers(const ServedRoute& served) {
  return std::to_string(served.settings.response_buffers);
}

std::string read_response_disk(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  const auto n = parse_size(v);
  if (!n) return "a size such as 100m, or 0 for none";
  out.settings.response_disk = *n;
  return {};
}
std::string print_response_disk(const ServedRoute& served) {
  return size_text(served.settings.response_disk);
}

std::string read_request_buffering(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  const auto on = parse_on_off(v);
  if (!on) return "on or off";
  out.settings.request_buffering = *on ? model::RequestBuffering::all : model::RequestBuffering::none;
  return {};
}
std::string print_request_buffering(const ServedRoute& served) {
  return std::string(to_string(served.settings.request_buffering));
}

std::string read_http_version(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  if (v != "1.0" && v != "1.1") return "1.0 or 1.1";
  out.settings.http_1_0 = v == "1.0";
  return {};
}
std::string print_http_version(const ServedRoute& served) {
  return served.settings.http_1_0 ? "1.0" : "1.1";
}

std::string read_connection(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  using enum model::ConnectionField;
  for (const auto field : {close, keep_alive}) {
    if (v != to_string(field)) continue;
    out.settings.connection_field = field;
    return {};
  }
  return "close or keep-alive";
}
std::string print_connection(const ServedRoute& served) {
  return std::string(to_string(served.settings.connection_field));
}

template <auto M>
std::string read_patience(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  const auto time = parse_patience(v);
  if (!time) return std::string(kPatienceGrammar);
  out.settings.*M = *time;
  return {};
}
template <auto M>
std::string print_patience(const ServedRoute& served) {
  return time_text(served.settings.*M);
}
template <auto M>
constexpr AnnotationValue patience{"time, at most 1h", read_patience<M>, print_patience<M>};

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

// For a pod. nginx's timer of 0 runs out before a pod can have answered.
constexpr std::string_view kConnectTimeout = "proxy-connect-timeout", kReadTimeout = "proxy-read-timeout",
                           kSendTimeout = "proxy-send-timeout";
template <auto M, const std::string_view& Name>
constexpr AnnotationValue time_for_pod{"seconds",
                                       [](std::string_view v, const AnnotationContext& context, AnnotationValues& out) {
                                         auto expected = seconds<M>.parse(v, context, out);
                                         if (expected.empty() && (out.settings.*M).count() == 0)
                                           out.no_time.push_back(Name);
                                         return expected;
                                       },
                                       seconds<M>.print, White::none};

void finish_proxy(AnnotationResult& out) {
  for (const auto name : out.values.no_time)
    out.problems.push_back({model::Severity::warning, "NoTime", "metadata.annotations[" + std::string(name) + "]", "0",
                            "seconds from 1 on: 0 is not \"no limit\", here as in nginx",
                            name == kSendTimeout ? "a request that a pod does not take at once is answered 504"
                                                 : "requests are answered 504"});
}

constexpr std::array kProxyRows{
    Annotation{.name = "proxy-body-size",
               .value = {"size", read_body_size, print_body_size, White::spaces},
               .risk = model::Risk::medium,
               .option = "proxy-body-size",
               .always_shown = true,
               .doc = "largest request body; beyond it 413; 0 is no limit"},
    Annotation{.name = "proxy-buffer-size",
               .value = {"size", read_buffer_size, print_buffer_size, White::spaces},
               .option = "proxy-buffer-size",
               .doc = "largest response head; beyond it 502; more than 64m counts as 64m"},
    Annotation{.name = "proxy-buffering",
               .value = on_off<&RouteSettings::response_buffering>,
               .option = "proxy-buffering",
               .doc = "take answers from pods as fast as they come, whatever the client takes "
                      "([buffering](buffering.md))"},
    Annotation{.name = "proxy-buffers-number",
               .value = {"number", read_response_buffers, print_response_buffers, White::none},
               .option = "proxy-buffers-number",
               .doc = "with proxy-buffering: so many times proxy-buffer-size of an answer lies in memory"},
    Annotation{.name = "proxy-max-temp-file-size",
               .value = {"size", read_response_disk, print_response_disk, White::spaces},
               .option = "proxy-max-temp-file-size",
               .doc = "with proxy-buffering: what of an answer may lie on the disk; 0: nothing"},
    Annotation{.name = "client-body-buffer-size",
               .value = {"size", read_body_memory, print_body_memory, White::spaces},
               .on_invalid = OnInvalid::drop,
               .option = "client-body-buffer-size",
               .doc = "with proxy-request-buffering: on, longer bodies lie on the disk; more than 1 MiB counts as "
                      "1 MiB"},
    Annotation{.name = "proxy-http-version",
               .value = {"1.0 or 1.1", read_http_version, print_http_version},
               .option = "proxy-http-version",
               .doc = "of HTTP, for requests to pods; with 1.0 a body is collected before, each connection carries one "
                      "request, and nothing is upgraded"},
    Annotation{.name = "connection-proxy-header",
               .value = {"close or keep-alive", read_connection, print_connection, White::spaces},
               .on_invalid = OnInvalid::drop,
               .doc = "what pods get as Connection; upgrades (WebSockets) are not passed on then"},
    Annotation{.name = kConnectTimeout,
               .value = time_for_pod<&RouteSettings::connect_timeout, kConnectTimeout>,
               .option = kConnectTimeout,
               .always_shown = true,
               .doc = "time to connect to a pod; 0 is none, and not no limit"},
    Annotation{.name = "hedge-delay",
               .value = patience<&RouteSettings::hedge_delay>,
               .option = "hedge-delay",
               .doc =
                   "a request that may be sent twice and has no head of an answer for so long is sent to another pod "
                   "too, and the first answer counts; 0 is never ([retries](retries.md#two-pods-at-once)). Sluice's "
                   "own"},
    Annotation{.name = "proxy-next-upstream",
               .value = {"words", read_conditions, print_conditions, White::none},
               .risk = model::Risk::medium,
               .option = "proxy-next-upstream",
               .doc = "after what another pod is asked: error, timeout, invalid_header, http_500 and the like, "
                      "non_idempotent, or off ([retries](retries.md))"},
    Annotation{.name = "proxy-next-upstream-timeout",
               .value = seconds<&RouteSettings::tries_timeout>,
               .option = "proxy-next-upstream-timeout",
               .doc = "time in which further tries may start; 0 is no limit"},
    Annotation{.name = "proxy-next-upstream-tries",
               .value = {"number", read_tries, print_tries, White::none},
               .option = "proxy-next-upstream-tries",
               .always_shown = true,
               .doc = "tries in all, the first one included"},
    Annotation{.name = "proxy-next-upstream-try-timeout",
               .value = patience<&RouteSettings::try_timeout>,
               .option = "proxy-next-upstream-try-timeout",
               .doc = "a try has so long, the connect included, until the head of its answer, where another try may "
                      "follow; 0 is as long as the other limits ([retries](retries.md)). Sluice's own"},
    Annotation{.name = kReadTimeout,
               .value = time_for_pod<&RouteSettings::read_timeout, kReadTimeout>,
               .option = kReadTimeout,
               .always_shown = true,
               .doc = "time between two reads from a pod; 0 is none, and not no limit"},
    Annotation{.name = "proxy-request-buffering",
               .value = {"on or off", read_request_buffering, print_request_buffering},
               .option = "proxy-request-buffering",
               .doc = "on: pods get a request once its body is here as a whole, on the disk where it is long; off: "
                      "bodies go on as they come; not written: chunked ones up to 1 MiB are collected "
                      "([buffering](buffering.md))"},
    Annotation{.name = kSendTimeout,
               .value = time_for_pod<&RouteSettings::send_timeout, kSendTimeout>,
               .option = kSendTimeout,
               .always_shown = true,
               .doc = "time between two writes to a pod; 0 is none, and not no limit"},
    Annotation{.name = "request-timeout",
               .value = patience<&RouteSettings::request_timeout>,
               .option = "request-timeout",
               .doc = "all of a request, from its head to the end of its answer, may take so long "
                      "([timeouts](timeouts.md)); 0 is as long as the other limits. Sluice's own"},
};

}  // namespace

AnnotationFamily proxy() {
  return {kProxyRows, finish_proxy};
}

}  // namespace sluice::control::annotation
