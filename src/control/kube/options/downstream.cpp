// Connections of clients.
#include <array>

#include "control/kube/options/families.h"
#include "control/kube/options/values.h"

namespace sluice::control::options_of {

namespace {

std::string read_header_buffers(std::string_view v, Options& o) {
  auto space = v.find(' ');
  auto n = parse_int(v.substr(0, space));
  auto size = space == std::string_view::npos ? std::nullopt : parse_size(trim(v.substr(space)));
  if (!n || *n < 1 || *n > 1024 || !size || *size < 256 || *size > (16U << 20))
    return "a number and a size, such as 4 8k";
  o.large_client_header_buffers = static_cast<std::uint32_t>(*n);
  o.large_client_header_buffer_size = *size;
  return {};
}

std::string print_header_buffers(const Options& o) {
  return std::to_string(o.large_client_header_buffers) + " " + size_text(o.large_client_header_buffer_size);
}

std::string read_priority(std::string_view v, Options& o) {
  const auto priority = parse_priority(v);
  if (!priority) return std::string(kPriorityGrammar);
  o.priority = *priority;
  return {};
}
std::string print_priority(const Options& o) {
  return std::string(to_string(o.priority));
}

// A word that no namespace can be called leaves the others.
std::string read_namespaces(std::string_view v, Options& o) {
  o.priority_namespaces.clear();
  std::string bad;
  for_each_word(v, [&](std::string_view e) {
    if (e == "*" || is_namespace(e))
      o.priority_namespaces.emplace_back(e);
    else if (bad.empty())
      bad = shorten(e);
  });
  return bad.empty() ? "" : "names of namespaces, or *, which \"" + bad + "\" is not";
}

constexpr std::array kDownstreamRows{
    Option{"keep-alive", seconds<&Options::keep_alive, 0>,
           "idle time of client connections; 0 closes after each response"},
    Option{"keep-alive-requests", number<&Options::keep_alive_requests, 0, 4'000'000'000>,
           "requests on one client connection; 0 is no limit"},
    Option{"client-header-timeout", seconds<&Options::client_header_timeout, 1>, "time for a whole request head"},
    Option{"client-body-timeout", seconds<&Options::client_body_timeout, 1>,
           "time between two reads of a request body"},
    Option{"client-send-timeout", seconds<&Options::client_send_timeout, 1>,
           "time between two writes that a client takes"},
    Option{"client-header-buffer-size", size<&Options::client_header_buffer_size, 256, (16ULL << 20)>,
           "first buffer of a request head"},
    Option{"large-client-header-buffers",
           {"number and size", read_header_buffers, print_header_buffers},
           "further buffers of a request head: how many, and the longest line"},
    Option{"max-headers", number<&Options::max_headers, 1, 10'000>, "header fields of a request; more are 431"},
    Option{"client-min-rate", size<&Options::client_min_rate, 0, (1ULL << 30)>,
           "bytes a second that a transfer must move on average after 10 s; 0 is off"},
    Option{"overload-close-idle", number<&Options::overload_close_idle, 0, 100>,
           "per cent of a limit (memory, descriptors, max-connections) from which on connections that are idle are "
           "closed, and for memory none is kept alive; 0 is never ([overload](overload.md))"},
    Option{"overload-reset-slow", number<&Options::overload_reset_slow, 0, 100>,
           "and from which on those are reset that hold what is short and take or send nothing"},
    Option{"overload-refuse-low", number<&Options::overload_refuse_low, 0, 100>,
           "and from which on new requests of low priority get 503"},
    Option{"overload-refuse-requests", number<&Options::overload_refuse_requests, 0, 100>,
           "and from which on new requests of normal priority get 503, too"},
    Option{"overload-stop-accepting", number<&Options::overload_stop_accepting, 0, 100>,
           "and from which on no connections are accepted"},
    Option{"overload-loop-lag", millis<&Options::overload_loop_lag, 0, 60'000>,
           "a worker whose clients wait so long for its attention compresses no more, from twice as long on it refuses "
           "requests of low priority, from four times those of normal priority, from eight times it accepts nothing; 0 "
           "is never ([overload](overload.md#a-worker-that-is-behind))"},
    Option{"overload-retry-after", seconds<&Options::overload_retry_after, 0>,
           "Retry-After of these 503, and grpc-retry-pushback-ms of calls; 0 is none"},
    Option{"priority",
           {kPriorityGrammar, read_priority, print_priority},
           "which requests are refused first under overload, where the Ingress says nothing "
           "([overload](overload.md#who-is-refused-first))",
           to_route<&Options::priority, &RouteSettings::priority>},
    Option{"priority-namespaces",
           {"list", read_namespaces, print_list<&Options::priority_namespaces>, true},
           "sluice: namespaces whose Ingresses may ask for a `priority` above the one of this ConfigMap; `*` is any"},
    Option{"max-connections", number<&Options::max_connections, 0, 4'000'000'000>,
           "client connections in all; 0 is 80 % of the descriptor limit"},
    Option{"max-connections-per-address", number<&Options::max_connections_per_address, 0, 4'000'000'000>,
           "client connections of one address; 0 is no limit"},
    Option{"max-pipelined", number<&Options::max_pipelined, 1, 100'000>, "pipelined requests answered in a row"},
    Option{"tunnel-idle-timeout", seconds<&Options::tunnel_idle_timeout, 1>, "idle time of upgraded connections"},
    Option{"tunnel-max-lifetime", seconds<&Options::tunnel_max_lifetime, 0>,
           "how long an upgraded connection may live, however busy; 0 is without limit"},
    Option{"enable-underscores-in-headers", boolean<&Options::enable_underscores_in_headers>,
           "pass header names with an underscore"},
    Option{"ignore-invalid-headers", boolean<&Options::ignore_invalid_headers>,
           "drop invalid header fields instead of passing them"},
    Option{"server-tokens", boolean<&Options::server_tokens>, "send a Server header"},
    Option{"allow-backend-server-header", boolean<&Options::allow_backend_server_header>,
           "pass the pod's Server header"},
    Option{"hide-headers",
           {"list", read_headers<&Options::hide_headers>, print_list<&Options::hide_headers>, true},
           "response headers of pods that are removed"},
    Option{"add-headers", header_map<&Options::add_headers>,
           "ConfigMap whose data are headers of all responses, with variables ([headers](headers.md))"},
    Option{"max-interim-responses", number<&Options::max_interim_responses, 0, 1000>,
           "1xx responses passed on for one request"},
    Option{"use-http2", boolean<&Options::use_http2>, "offer HTTP/2 to TLS clients"},
    Option{"http2-prior-knowledge", boolean<&Options::http2_prior_knowledge>,
           "take HTTP/2 without TLS (h2c) on the plain listeners too"},
    Option{"http2-max-concurrent-streams", number<&Options::http2_max_concurrent_streams, 1, 10'000>,
           "requests that one client may have open at once on an HTTP/2 connection"},
    Option{"http2-max-connection-age", seconds<&Options::http2_max_connection_age, 0>,
           "age at which an HTTP/2 connection is asked to end (GOAWAY), a tenth more or less; 0 is never"},
};

}  // namespace

std::span<const Option> downstream() {
  return kDownstreamRows;
}

}  // namespace sluice::control::options_of
