#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/variables.h"
#include "model/cidr.h"
#include "model/settings/balancing.h"
#include "model/settings/buffering.h"
#include "model/settings/compression.h"
#include "model/settings/header_map.h"
#include "model/settings/priority.h"
#include "model/settings/replacement.h"
#include "model/settings/retry_conditions.h"
#include "model/settings/snippet.h"
#include "model/shared.h"

// The settings of the whole process that requests are served by: one typed member for each ConfigMap key. The table
// that reads them (names, defaults, grammar, docs) is control/kube/options/; names and defaults are ingress-nginx's.
namespace sluice::model {

using Seconds = std::chrono::seconds;
using Millis = std::chrono::milliseconds;

// One namespace that may have Ingresses for a host: control/kube/host_grants.h has the grammar of both.
struct HostGrant {
  std::string host;
  std::string ns;  // empty: nobody
  bool operator==(const HostGrant&) const = default;
};

// What is done with a path that two readers may take for different ones (net/http/path.h).
enum class AmbiguousPaths : std::uint8_t { raw, normalize, refuse };
std::string_view to_string(AmbiguousPaths);

// One of a list of texts, as a map of nginx has them (control/kube/text_rules.h has the grammar).
struct TextRule {
  enum class Kind : std::uint8_t { whole, pattern, pattern_of_any_case };
  Kind kind = Kind::whole;
  std::string text;  // whole: whatever the case
  bool operator==(const TextRule&) const = default;
};
// Of a rule with a pattern, as Regex reads it.
inline std::string regex_text(const TextRule& rule) {
  return (rule.kind == TextRule::Kind::pattern ? "(?-i)" : "") + rule.text;
}

enum class LogFormat : std::uint8_t { text, json };

// How dangerous an annotation is in the hands of whoever may write Ingresses, as ingress-nginx rates them.
enum class Risk : std::uint8_t { low, medium, high, critical };
std::string_view to_string(Risk);  // as the ConfigMap spells it

struct Options {
  // whose hosts are whose
  std::vector<HostGrant> host_namespaces;  // sluice: by host; empty: every namespace may name every host
  bool share_hosts = true;                 // sluice: other namespaces may have paths at a host

  // sluice: what ingress-nginx does is done even where it is a hazard (docs/compat.md)
  bool exact = false;

  // whose requests are taken
  Common<std::vector<Cidr>> whitelist_source_range, denylist_source_range, block_cidrs;  // as SourceRanges counts bits
  std::vector<TextRule> block_user_agents, block_referers;

  // redirects and HSTS
  std::uint16_t http_redirect_code = 308;
  bool ssl_redirect = true;
  bool force_ssl_redirect = false;
  bool preserve_trailing_slash = false;
  bool use_port_in_redirects = false;
  bool relative_redirects = false;
  bool redirect_variables = false;  // sluice: redirect annotations may name variables
  std::vector<std::string> no_tls_redirect_locations{"/.well-known/acme-challenge"};
  bool hsts = true;
  std::string hsts_max_age = "31536000";
  bool hsts_include_subdomains = true;
  bool hsts_preload = false;

  // who the client is
  bool use_forwarded_headers = false;
  bool enable_real_ip = false;
  bool compute_full_forwarded_for = false;
  std::string forwarded_for_header = "X-Forwarded-For";
  std::string forwarded_host_header = "X-Forwarded-Host";
  std::vector<Cidr> proxy_real_ip_cidr{
      Cidr{}};  // default 0.0.0.0/0: everyone, as in ingress-nginx; the Report warns when it matters
  bool use_proxy_protocol = false;           // every http and https listener expects a PROXY header
  Seconds proxy_protocol_header_timeout{5};  // for all of it, from accept
  bool generate_request_id = true;
  bool proxy_add_original_uri_header = false;
  bool via = false;  // sluice: add `Via: 1.1 sluice` both ways

  // downstream connections
  Seconds keep_alive{75};                    // 0: no keep-alive
  std::uint32_t keep_alive_requests = 1000;  // 0: without limit
  Seconds client_header_timeout{60};         // for the whole head, from its first byte (or from accept)
  Seconds client_body_timeout{60};           // between two reads of a body
  Seconds client_send_timeout{60};           // between two writes that the client takes
  std::uint64_t client_header_buffer_size = 1024;
  std::uint32_t large_client_header_buffers = 4;
  std::uint64_t large_client_header_buffer_size = 8192;
  std::uint32_t max_headers = 100;  // sluice: more are 431
  std::uint64_t client_min_rate =
      240;  // sluice: bytes a second that a body or a response must move on average after 10 s; 0: off
  // sluice: per cent of a limit (of memory, descriptors, connections) from which on a rung of the ladder of overload
  // holds; 0: never
  std::uint32_t overload_close_idle = 85, overload_reset_slow = 90, overload_refuse_low = 93,
                overload_refuse_requests = 95, overload_stop_accepting = 98;
  Millis overload_loop_lag{0};           // sluice: a worker that is so far behind is on the ladder, too; 0: it is not
  Seconds overload_retry_after{1};       // sluice: what those are told that the ladder refuses; 0: nothing
  Priority priority = Priority::normal;  // sluice: of routes whose Ingress says nothing
  std::vector<std::string> priority_namespaces;  // sluice: may ask for more than `priority`; "*": all
  std::uint32_t max_connections = 0;  // sluice: downstream connections of the process; 0: 80 % of the descriptor limit
  std::uint32_t max_connections_per_address = 0;  // sluice: 0: without limit
  std::uint32_t max_pipelined = 64;   // sluice: requests in a row answered without a pause for the event loop
  Seconds tunnel_idle_timeout{3600};  // sluice: upgraded connections
  Seconds tunnel_max_lifetime{0};     // sluice: of one, however busy; 0: none
  bool enable_underscores_in_headers = false;
  bool ignore_invalid_headers = true;
  bool server_tokens = false;
  bool allow_backend_server_header = false;
  std::vector<std::string> hide_headers;
  Shared<HeaderMap> add_headers;  // of every response; null: none
  std::uint32_t max_interim_responses = 8;
  bool use_http2 = true;                             // offered to TLS clients
  bool http2_prior_knowledge = false;                // sluice: h2c on the plain listeners
  std::uint32_t http2_max_concurrent_streams = 128;  // that a client may have open at once
  Seconds http2_max_connection_age{3600};            // sluice: then GOAWAY, a tenth earlier or later; 0: never

  // compression of responses
  bool use_gzip = false;
  std::uint32_t gzip_level = 1;
  std::uint32_t gzip_min_length = 256;
  std::vector<std::string> gzip_types = types_for_gzip();  // beside text/html; lower case; "*": all
  std::string gzip_disable;                                // a regular expression of User-Agent, or kMsie6; empty: none
  bool enable_brotli = false;
  std::uint32_t brotli_level = 4;
  std::uint32_t brotli_min_length = 20;
  std::vector<std::string> brotli_types = types_for_brotli();
  bool enable_zstd = false;  // sluice, and so is what follows
  std::uint32_t zstd_level = 3;
  std::uint32_t zstd_min_length = 256;
  std::vector<std::string> zstd_types = types_for_brotli();
  std::uint64_t compression_memory = 64 << 20;  // of the process, for all that is being compressed; 0: without limit

  // TLS
  std::string ssl_protocols = "TLSv1.2 TLSv1.3";
  std::string ssl_ciphers =
      "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-"
      "SHA384:"
      "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384";
  std::string ssl_ecdh_curve = "auto";
  bool ssl_session_cache = true;
  bool ssl_session_tickets = true;     // differs: ingress-nginx has them off; keys here are made at start and rotated
  std::string ssl_session_ticket_key;  // base64 of 80 bytes, to share tickets between replicas; never shown
  Seconds ssl_session_timeout{600};
  bool ssl_reject_handshake = false;
  Seconds ssl_handshake_timeout{10};  // sluice

  // limits of clients
  std::uint16_t limit_req_status_code = 503;   // of limit-rps and limit-rpm
  std::uint16_t limit_conn_status_code = 503;  // of limit-connections
  Template limit_conn_zone_variable =
      kByAddress;  // who a client is, for all three; empty for a request: it is not limited
  static constexpr const char* kByAddress = "$binary_remote_addr";
  std::uint64_t limit_rate = 0, limit_rate_after = 0;  // as RouteSettings has them

  // upstream defaults (annotations override them)
  Seconds proxy_connect_timeout{5};
  Seconds proxy_send_timeout{60};
  Seconds proxy_read_timeout{60};
  std::uint64_t proxy_body_size = 1 << 20;  // 0: without limit
  std::uint64_t proxy_buffer_size = 4096;   // largest response head
  std::uint32_t grpc_buffer_size_kb = 0;    // KiB: the same of pods that speak HTTP/2; 0: proxy_buffer_size
  RequestBuffering proxy_request_buffering = RequestBuffering::some;
  std::uint64_t client_body_buffer_size = 8192;      // of a body that is here as a whole; the rest lies on the disk
  bool proxy_buffering = false;                      // of answers
  std::uint32_t proxy_buffers_number = 4;            // of proxy_buffer_size, of one answer
  std::uint64_t proxy_max_temp_file_size = 1 << 30;  // of one answer on the disk
  bool proxy_http_1_0 = false;                       // proxy-http-version
  bool service_upstream = false;
  std::uint32_t proxy_next_upstream_tries = 3;
  Seconds proxy_next_upstream_timeout{0};
  bool retry_non_idempotent = false;
  bool proxy_ssl_location_only = false;  // proxy-ssl-* are not for other Ingresses of the host
  RetryConditions proxy_next_upstream;
  Shared<Replacement> proxy_redirect;                          // null: nothing is replaced
  Shared<Replacement> proxy_cookie_domain, proxy_cookie_path;  // likewise
  Shared<HeaderMap> proxy_set_headers;                         // null: none
  bool enable_grpc_web = false;                                // sluice
  LoadBalance load_balance = LoadBalance::round_robin;
  // sluice: what helps while pods fail (docs/resilience.md)
  bool resilient = false;                          // the recommended set, but for keys that are there themselves
  std::uint32_t outlier_consecutive_failures = 0;  // of an endpoint, which then gets nothing for a while; 0: it stays
  Seconds outlier_ejection_time{10}, outlier_max_ejection_time{300};
  std::uint32_t outlier_max_ejected_percent = 50;  // of the endpoints of a Cluster; one at least, never all
  std::uint32_t outlier_latency_factor = 0;        // of the median of the Cluster; who takes longer is out; 0: nobody
  Millis outlier_latency_floor{100};               // quicker endpoints stay, whatever the others take
  HealthCheck health_check;                        // where no annotation says otherwise
  std::uint32_t retry_budget_percent = 0;          // of the requests of ten seconds, a worker and Cluster; 0: no budget
  std::uint32_t retry_budget_min_rate = 10;        // so many a second in any case
  Millis proxy_try_timeout{0};                     // RouteSettings::try_timeout
  Millis request_timeout{0};                       // RouteSettings::request_timeout
  Millis hedge_delay{0};                           // RouteSettings::hedge_delay
  Seconds slow_start{0};                           // Balancing::slow_start
  Millis retry_backoff{0};                         // the longest pause before the first further try, twice each time
  bool topology_aware_routing = false;             // pods that are meant for our zone or node first
  std::uint32_t topology_overflow_percent = 70;    // of these, below which pods elsewhere get requests too (sluice)
  AmbiguousPaths ambiguous_paths = AmbiguousPaths::raw;  // sluice
  std::uint32_t upstream_keepalive_connections = 320;    // idle ones, a worker
  Seconds upstream_keepalive_timeout{60};
  Seconds upstream_keepalive_time{3600};
  std::uint32_t upstream_keepalive_requests = 10000;
  std::uint32_t upstream_max_connections = 0;  // sluice: to one endpoint from one worker, 0: without limit
  Millis upstream_tcp_user_timeout{0};         // sluice: that a pod's machine acknowledges nothing; 0: the kernel's
  Seconds upstream_http2_ping_interval{0};     // sluice: of silence with requests under way; 0: no PING
  Seconds upstream_http2_ping_timeout{20};     // sluice: for its answer, or anything else
  std::uint32_t upstream_max_requests = 0;     // sluice: under way to a Cluster, a worker; 0: without limit
  bool adaptive_concurrency = false;           // sluice: that limit is found by what answers take
  std::uint32_t upstream_max_pending = 1024;   // sluice: requests waiting for one of those, a worker and cluster

  // connections and datagrams of ports that are passed on to Services (model/stream_listener.h)
  Seconds proxy_stream_timeout{600};                   // without a byte
  bool proxy_stream_next_upstream = true;              // another pod where one cannot be reached
  Seconds proxy_stream_next_upstream_timeout{600};     // in which further tries may start; 0: without limit
  std::uint32_t proxy_stream_next_upstream_tries = 3;  // in all; 0: each pod once
  std::uint32_t proxy_stream_responses = 1;            // datagrams that answer one, after which a session is over

  // where requests may be sent although it is refused by default (sluice)
  std::vector<Cidr> allow_destinations;
  std::vector<std::string> allow_destination_names;  // lower case; "*.x": every name below x

  // logs
  bool disable_access_log = false, disable_http_access_log = false, disable_stream_access_log = false;
  bool enable_access_log_for_default_backend = false;
  std::string access_log_path = "-";
  std::string log_format_upstream;  // empty: the default line
  std::string log_format_stream;    // the same for connections that are passed through
  bool log_format_escape_json = false;
  bool log_format_escape_none = false;
  LogFormat access_log_format = LogFormat::text;  // sluice: access-log-format: text or json
  std::vector<TextRule> skip_access_log_urls;
  std::string log_level = "info";  // sluice (ingress-nginx: error-log-level, accepted too)

  // what Ingresses may ask for
  Risk annotations_risk_level = Risk::high;  // an Ingress with an annotation above it is not served
  bool allow_snippet_annotations = false;
  std::vector<std::string> annotation_value_word_blocklist;  // nor one whose annotations hold such a word
  bool allow_cross_namespace_resources = false;              // annotations may name objects of other namespaces
  // Of all servers, locations and what is around them, as they are written.
  std::string server_snippet, location_snippet, http_snippet;
  Shared<Snippet> snippet;                                   // what both come to; null: nothing
  std::vector<std::string> global_allowed_response_headers;  // that custom-headers may set
  std::vector<std::string> no_auth_locations{"/.well-known/acme-challenge"};

  std::vector<std::uint16_t> custom_http_errors;  // that the default backend answers in place of, in order

  // who is asked whether requests may come, of Ingresses that say nothing of their own (control/kube/external_auth.h)
  std::string global_auth_url;  // empty: nobody
  std::string global_auth_method, global_auth_signin, global_auth_signin_redirect_param, global_auth_request_redirect;
  std::vector<std::string> global_auth_response_headers;
  std::string global_auth_cache_key, global_auth_cache_duration;
  bool global_auth_always_set_cookie = false;

  // shutdown
  Seconds shutdown_grace_period{0};      // after SIGTERM: not ready, but still accepting
  Seconds worker_shutdown_timeout{240};  // then: how long running exchanges may take

  bool operator==(const Options&) const = default;
};

}  // namespace sluice::model
