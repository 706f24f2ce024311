// Pods and the ways to them; what annotations say of them is stronger.
#include <array>

#include "base/strings.h"
#include "control/destination.h"
#include "control/kube/health_check.h"
#include "control/kube/options/families.h"
#include "control/kube/options/values.h"
#include "control/kube/replacement.h"

namespace sluice::control::options_of {

namespace {

std::string read_destinations(std::string_view v, Options& o) {
  std::vector<model::Cidr> ranges;
  std::vector<std::string> names;
  bool bad = false;
  for_each_word(v, [&](std::string_view e) {
    if (const auto range = parse_cidr(e)) return ranges.push_back(*range);
    auto name = lower(e);
    if (name.ends_with('.')) name.pop_back();
    bad = bad || !is_host_name(name, true) || spells_address(name);
    names.push_back(std::move(name));
  });
  if (bad) return "a list of address ranges and host names, such as 127.0.0.0/8,*.corp.example";
  o.allow_destinations = std::move(ranges);
  o.allow_destination_names = std::move(names);
  return {};
}

std::string print_destinations(const Options& o) {
  std::string out;
  for (auto& c : o.allow_destinations) out += (out.empty() ? "" : ",") + cidr_text(c);
  for (auto& n : o.allow_destination_names) out += (out.empty() ? "" : ",") + n;
  return out;
}

std::string read_ambiguous_paths(std::string_view v, Options& o) {
  const auto way = parse_ambiguous_paths(v);
  if (!way) return "raw, normalize or refuse";
  o.ambiguous_paths = *way;
  return {};
}
std::string print_ambiguous_paths(const Options& o) {
  return std::string(to_string(o.ambiguous_paths));
}

std::string read_conditions(std::string_view v, Options& o) {
  const auto conditions = parse_retry_conditions(v);
  if (!conditions) return std::string(kRetryGrammar);
  o.proxy_next_upstream = *conditions;
  return {};
}
std::string print_conditions(const Options& o) {
  return retry_conditions_text(o.proxy_next_upstream);
}

std::string read_request_buffering(std::string_view v, Options& o) {
  const auto on = v.empty() ? std::optional<bool>() : parse_on_off(v);
  if (!on && !v.empty()) return "on or off";
  using enum model::RequestBuffering;
  o.proxy_request_buffering = !on ? some : *on ? all : none;
  return {};
}
std::string print_request_buffering(const Options& o) {
  return std::string(to_string(o.proxy_request_buffering));
}

std::string read_http_version(std::string_view v, Options& o) {
  if (v != "1.0" && v != "1.1") return "1.0 or 1.1";
  o.proxy_http_1_0 = v == "1.0";
  return {};
}
std::string print_http_version(const Options& o) {
  return o.proxy_http_1_0 ? "1.0" : "1.1";
}

std::string read_redirect_from(std::string_view v, Options& o) {
  return read_replaced(v, {}, o.proxy_redirect);
}
std::string print_redirect_from(const Options& o) {
  return replaced_text(o.proxy_redirect);
}
std::string read_redirect_to(std::string_view v, Options& o) {
  return read_replacing(v, {}, o.proxy_redirect);
}
std::string print_redirect_to(const Options& o) {
  return replacing_text(o.proxy_redirect);
}
template <auto M>
std::string read_cookie(std::string_view v, Options& o) {
  return read_replacement(v, {}, o.*M);
}
template <auto M>
std::string print_cookie(const Options& o) {
  return replacement_text(o.*M);
}

std::string read_load_balance(std::string_view v, Options& o) {
  const auto way = parse_load_balance(v);
  if (!way) return std::string(kLoadBalanceGrammar);
  o.load_balance = *way;
  return {};
}
std::string print_load_balance(const Options& o) {
  return std::string(to_string(o.load_balance));
}
void inherit_balancing(const Options& in, RouteSettings& out) {
  model::Balancing made = out.balancing ? *out.balancing : model::Balancing{};
  made.load_balance = in.load_balance;
  made.by_service = in.service_upstream;
  made.slow_start = in.slow_start;
  made.health = model::shared_unless_plain(in.health_check);
  if (made == model::Balancing{})
    out.balancing.reset();
  else
    out.balancing = std::move(made);
}

std::string read_ping_interval(std::string_view v, Options& o) {
  const auto before = o.upstream_http2_ping_interval;
  auto wrong = read_seconds<&Options::upstream_http2_ping_interval, 0>(v, o);
  if (!wrong.empty() || o.upstream_http2_ping_interval.count() == 0 || o.upstream_http2_ping_interval.count() >= 10)
    return wrong;
  o.upstream_http2_ping_interval = before;
  return "0, or seconds from 10 on";
}

template <auto Read, auto Print>
constexpr OptionValue check_value(std::string_view grammar, bool lines = false) {
  return {grammar, [](std::string_view v, Options& o) { return Read(v, o.health_check); },
          [](const Options& o) { return Print(o.health_check); }, false, lines};
}

std::string read_latency_factor(std::string_view v, Options& o) {
  const auto n = parse_int(v);
  if (!n || (*n != 0 && (*n < 2 || *n > 100))) return "a number from 2 to 100, or 0 for nobody";
  o.outlier_latency_factor = static_cast<std::uint32_t>(*n);
  return {};
}
std::string print_latency_factor(const Options& o) {
  return std::to_string(o.outlier_latency_factor);
}
constexpr std::array kUpstreamRows{
    Option{"proxy-connect-timeout", seconds<&Options::proxy_connect_timeout, 0>,
           "time to connect to a pod; 0 is none, and not no limit",
           to_route<&Options::proxy_connect_timeout, &RouteSettings::connect_timeout>},
    Option{"proxy-send-timeout", seconds<&Options::proxy_send_timeout, 0>,
           "time between two writes to a pod; 0 is none",
           to_route<&Options::proxy_send_timeout, &RouteSettings::send_timeout>},
    Option{"proxy-read-timeout", seconds<&Options::proxy_read_timeout, 0>,
           "time between two reads from a pod; 0 is none",
           to_route<&Options::proxy_read_timeout, &RouteSettings::read_timeout>},
    Option{"proxy-body-size", size<&Options::proxy_body_size, 0, (1ULL << 60)>, "largest request body; 0 is no limit",
           to_route<&Options::proxy_body_size, &RouteSettings::body_limit>},
    Option{"proxy-buffer-size", size<&Options::proxy_buffer_size, 256, (64ULL << 20)>, "largest response head",
           to_route<&Options::proxy_buffer_size, &RouteSettings::response_head_limit>},
    Option{"grpc-buffer-size-kb", number<&Options::grpc_buffer_size_kb, 0, 65536>,
           "largest response head of pods that are spoken to in HTTP/2, in KiB; 0: proxy-buffer-size",
           [](const Options& o, RouteSettings& s) { s.grpc_head_limit = std::uint64_t{o.grpc_buffer_size_kb} * 1024; }},
    Option{"proxy-buffering", on_off<&Options::proxy_buffering>,
           "take answers from pods as fast as they come, whatever the client takes ([buffering](buffering.md))",
           to_route<&Options::proxy_buffering, &RouteSettings::response_buffering>},
    Option{"proxy-buffers-number", number<&Options::proxy_buffers_number, 1, 4096>,
           "with proxy-buffering: so many times proxy-buffer-size of an answer lies in memory",
           to_route<&Options::proxy_buffers_number, &RouteSettings::response_buffers>},
    Option{"proxy-max-temp-file-size", size<&Options::proxy_max_temp_file_size, 0, (1ULL << 40)>,
           "with proxy-buffering: what of an answer may lie on the disk; 0: nothing",
           to_route<&Options::proxy_max_temp_file_size, &RouteSettings::response_disk>},
    Option{
        "proxy-request-buffering",
        {"on or off", read_request_buffering, print_request_buffering},
        "on: pods get a request once its body is here as a whole, on the disk where it is long; off: bodies go on as "
        "they come; not written: chunked ones up to 1 MiB are collected ([buffering](buffering.md))",
        to_route<&Options::proxy_request_buffering, &RouteSettings::request_buffering>},
    Option{"client-body-buffer-size", size<&Options::client_body_buffer_size, 0, (1ULL << 40)>,
           "with proxy-request-buffering: on, longer bodies lie on the disk; more than 1 MiB counts as 1 MiB",
           to_route<&Options::client_body_buffer_size, &RouteSettings::body_memory>},
    Option{"proxy-http-version",
           {"1.0 or 1.1", read_http_version, print_http_version},
           "of HTTP, for requests to pods",
           to_route<&Options::proxy_http_1_0, &RouteSettings::http_1_0>},
    Option{"proxy-next-upstream",
           {"words", read_conditions, print_conditions, false, true},
           "after what another pod is asked, as nginx has it ([retries](retries.md))",
           to_route<&Options::proxy_next_upstream, &RouteSettings::retry_on>},
    Option{"proxy-next-upstream-tries", number<&Options::proxy_next_upstream_tries, 0, 1000>,
           "tries in all; 0 is at most 16", to_route<&Options::proxy_next_upstream_tries, &RouteSettings::tries>},
    Option{"proxy-next-upstream-timeout", seconds<&Options::proxy_next_upstream_timeout, 0>,
           "time in which further tries may start; 0 is no limit",
           to_route<&Options::proxy_next_upstream_timeout, &RouteSettings::tries_timeout>},
    Option{"proxy-next-upstream-try-timeout", patience<&Options::proxy_try_timeout>,
           "sluice: a try has so long, the connect included, until the head of its answer, where another try may "
           "follow ([retries](retries.md)); 0 is as long as the other limits",
           to_route<&Options::proxy_try_timeout, &RouteSettings::try_timeout>},
    Option{"request-timeout", patience<&Options::request_timeout>,
           "sluice: all of a request, from its head to the end of its answer, may take so long "
           "([timeouts](timeouts.md)); 0 is as long as the other limits",
           to_route<&Options::request_timeout, &RouteSettings::request_timeout>},
    Option{"hedge-delay", patience<&Options::hedge_delay>,
           "sluice: a request that may be sent twice and has no head of an answer for so long is sent to another pod "
           "too, and the first answer counts ([retries](retries.md#two-pods-at-once)); 0 is never",
           to_route<&Options::hedge_delay, &RouteSettings::hedge_delay>},
    Option{
        "enable-grpc-web", boolean<&Options::enable_grpc_web>,
        "sluice: calls of gRPC-Web become calls of gRPC, for pods that speak GRPC or GRPCS; CORS is not its business",
        to_route<&Options::enable_grpc_web, &RouteSettings::grpc_web>},
    Option{"ambiguous-paths",
           {"raw, normalize or refuse", read_ambiguous_paths, print_ambiguous_paths},
           "sluice: what pods get of a path that two readers may take for different ones ([paths](paths.md)); a value "
           "that cannot be read counts as refuse",
           to_route<&Options::ambiguous_paths, &RouteSettings::ambiguous_paths>,
           [](const Options&, Options& o) { o.ambiguous_paths = model::AmbiguousPaths::refuse; }},
    Option{"retry-non-idempotent", boolean<&Options::retry_non_idempotent>,
           "retry POST, PATCH and methods of other standards too",
           to_route<&Options::retry_non_idempotent, &RouteSettings::retry_non_idempotent>},
    Option{"proxy-set-headers", header_map<&Options::proxy_set_headers>,
           "ConfigMap whose data are headers of requests to pods, with variables; an empty one removes the client's "
           "([headers](headers.md))",
           to_route<&Options::proxy_set_headers, &RouteSettings::request_headers>},
    Option{"proxy-ssl-location-only", boolean<&Options::proxy_ssl_location_only>,
           "proxy-ssl-* of an Ingress are for its own paths alone, and not for those of its namespace at the host that "
           "have none"},
    Option{"proxy-redirect-from",
           {"text or regular expression", read_redirect_from, print_redirect_from},
           "what Location and Refresh of pods begin with, or `~` or `~*` and a regular expression; off: they stay",
           to_route<&Options::proxy_redirect, &RouteSettings::redirect_replacement>},
    Option{"proxy-redirect-to",
           {"text with variables", read_redirect_to, print_redirect_to},
           "what stands in place of it, or of all of the value, with `$1` to `$9` of the expression; off: they stay",
           to_route<&Options::proxy_redirect, &RouteSettings::redirect_replacement>},
    Option{
        "proxy-cookie-domain",
        {"off or two texts", read_cookie<&Options::proxy_cookie_domain>, print_cookie<&Options::proxy_cookie_domain>},
        "a Domain of cookies that pods set, or a regular expression, and what stands in its place",
        to_route<&Options::proxy_cookie_domain, &RouteSettings::cookie_domain>},
    Option{"proxy-cookie-path",
           {"off or two texts", read_cookie<&Options::proxy_cookie_path>, print_cookie<&Options::proxy_cookie_path>},
           "what a Path of such cookies begins with, or a regular expression, and what stands in its place",
           to_route<&Options::proxy_cookie_path, &RouteSettings::cookie_path>},
    Option{"load-balance",
           {kLoadBalanceValues, read_load_balance, print_load_balance},
           "which pod the next request goes to, where no annotation says otherwise ([balancing](balancing.md))",
           inherit_balancing},
    Option{"outlier-consecutive-failures", number<&Options::outlier_consecutive_failures, 0, 1000>,
           "sluice: an endpoint that has failed so often in a row gets no requests for a while; 0 is never "
           "([resilience](resilience.md))"},
    Option{"outlier-ejection-time", seconds<&Options::outlier_ejection_time, 1>,
           "sluice: how long, the first time; twice as long the second time, and so on"},
    Option{"outlier-max-ejection-time", seconds<&Options::outlier_max_ejection_time, 1>, "sluice: the longest"},
    Option{"outlier-max-ejected-percent", number<&Options::outlier_max_ejected_percent, 1, 100>,
           "sluice: of the endpoints of a Service port that are left out at once, for what became of requests or of "
           "health checks; one at least, and never all"},
    Option{"outlier-latency-factor",
           {"number", read_latency_factor, print_latency_factor},
           "sluice: an endpoint whose answers take so many times as long as the median of its Service port's gets no "
           "requests for a while; 0 is never"},
    Option{"outlier-latency-floor", millis<&Options::outlier_latency_floor, 1, 60'000>,
           "sluice: endpoints that answer sooner are never too slow"},
    Option{"health-check", check_value<read_check_by, print_check_by>("off, http, grpc or tcp"),
           "sluice: how pods are asked from time to time whether they are well, where no annotation says otherwise "
           "([resilience](resilience.md#pods-that-are-checked))",
           inherit_balancing},
    Option{"health-check-path", check_value<read_check_path, print_check_path>("path"),
           "sluice: with `health-check: http`, what is asked for", inherit_balancing},
    Option{"health-check-expect", check_value<read_check_expect, print_check_expect>("statuses and ranges", true),
           "sluice: with `health-check: http`, the statuses of pods that are well", inherit_balancing},
    Option{"health-check-interval", check_value<read_check_interval, print_check_interval>("time, 1s to 1h"),
           "sluice: from the beginning of a check of a pod to that of the next one", inherit_balancing},
    Option{"health-check-timeout", check_value<read_check_timeout, print_check_timeout>("time, 100ms to 1m"),
           "sluice: a check that takes longer has failed", inherit_balancing},
    Option{"health-check-unhealthy-after", check_value<read_unhealthy_after, print_unhealthy_after>("number"),
           "sluice: checks that have to fail in a row until a pod gets no requests", inherit_balancing},
    Option{"health-check-healthy-after", check_value<read_healthy_after, print_healthy_after>("number"),
           "sluice: checks that have to succeed in a row until it is well again", inherit_balancing},
    Option{"retry-budget-percent", number<&Options::retry_budget_percent, 0, 1000>,
           "sluice: further tries of what a pod may have seen, in per cent of the requests to the Service port in ten "
           "seconds, a worker; 0 is no limit ([retries](retries.md))"},
    Option{"retry-budget-min-rate", number<&Options::retry_budget_min_rate, 0, 1'000'000>,
           "sluice: of these, so many a second in any case"},
    Option{
        "retry-backoff", millis<&Options::retry_backoff, 0, 10'000>,
        "sluice: the longest pause before such a try, twice as long before each next one; its length is by chance; 0 "
        "is none"},
    Option{"topology-aware-routing", boolean<&Options::topology_aware_routing>,
           "sluice: where EndpointSlices say for which zone or node pods are meant, those meant for ours get the "
           "requests ([topology](topology.md)); also `--enable-topology-aware-routing`"},
    Option{"topology-overflow-percent", number<&Options::topology_overflow_percent, 0, 100>,
           "sluice: pods elsewhere get a share of the requests where less than so much of the pods of our zone or node "
           "takes any"},
    Option{"slow-start", seconds<&Options::slow_start, 0>,
           "sluice: a pod that has come gets a share of the requests that grows to that of the others in this time "
           "([balancing](balancing.md)); 0 is the whole share at once",
           inherit_balancing},
    Option{"service-upstream", boolean<&Options::service_upstream>,
           "pods are reached by the cluster address of their Service, where it has one", inherit_balancing},
    Option{"upstream-keepalive-connections", number<&Options::upstream_keepalive_connections, 0, 1'000'000>,
           "idle connections to pods, a worker"},
    Option{"upstream-keepalive-timeout", seconds<&Options::upstream_keepalive_timeout, 1>,
           "idle time of connections to pods; a pod that announces less (`Keep-Alive: timeout=N`) is left a second "
           "before"},
    Option{"upstream-keepalive-time", seconds<&Options::upstream_keepalive_time, 1>, "life of connections to pods"},
    Option{"upstream-keepalive-requests", number<&Options::upstream_keepalive_requests, 1, 4'000'000'000>,
           "requests on one connection to a pod"},
    Option{
        "upstream-tcp-user-timeout", patience<&Options::upstream_tcp_user_timeout>,
        "sluice: a connection to a pod is over once its machine has acknowledged nothing for so long, be it asked or "
        "only probed ([resilience](resilience.md)); 0 is as long as the kernel tries"},
    Option{"upstream-http2-ping-interval",
           {"seconds", read_ping_interval, print_seconds<&Options::upstream_http2_ping_interval>},
           "sluice: a pod that has been silent for so long on a connection of HTTP/2 with requests under way is sent a "
           "PING ([grpc](grpc.md)); 0 is never"},
    Option{"upstream-http2-ping-timeout", seconds<&Options::upstream_http2_ping_timeout, 1>,
           "sluice: time for the answer, or for anything else; then the connection is over"},
    Option{"upstream-max-connections", number<&Options::upstream_max_connections, 0, 1'000'000>,
           "connections to one endpoint, a worker; 0 is no limit"},
    Option{"upstream-max-requests", number<&Options::upstream_max_requests, 0, 1'000'000>,
           "sluice: requests under way to the pods of a Service port, a worker; above it they are answered 503 at once "
           "([resilience](resilience.md)); 0 is no limit"},
    Option{
        "adaptive-concurrency", boolean<&Options::adaptive_concurrency>,
        "sluice: how many requests may wait for answers of a Service port is found by how long these take; those above "
        "it are answered 503 at once ([resilience](resilience.md))"},
    Option{"upstream-max-pending", number<&Options::upstream_max_pending, 0, 1'000'000>,
           "requests that wait for one of those, a worker and cluster"},
    Option{
        "allow-destinations",
        {"list of ranges and names", read_destinations, print_destinations, false, true},
        "sluice: where requests may be sent although it is refused by default: loopback, link-local, metadata and the "
        "like, by address; or by the name of an ExternalName Service, `*.` for all below it (docs/destinations.md)"},
};

}  // namespace

std::span<const Option> upstream() {
  return kUpstreamRows;
}

}  // namespace sluice::control::options_of
