#include "base/absent_variables.h"

#include "base/strings.h"

namespace sluice {

namespace {

constexpr std::string_view kNoBody = "bodies are passed on and not kept";
constexpr std::string_view kNoCache = "nothing is cached";
constexpr std::string_view kNoTrailers = "trailers are passed on and not kept";
constexpr std::string_view kOtherForm = "$ssl_client_escaped_cert is the certificate";
constexpr std::string_view kNoLegacy = "$ssl_client_s_dn and $ssl_client_i_dn are its names";
constexpr std::string_view kHello = "what a client offers is not kept; $ssl_protocol and $ssl_cipher are what it got";
constexpr std::string_view kCounts = "/metrics and /nginx_status of the admin address have it";
constexpr std::string_view kNoGeo = "no database of addresses is read";
constexpr std::string_view kNoTelemetry = "OpenTelemetry is not served";
constexpr std::string_view kLimits = "$failure_reason says which limit refused a request";
constexpr std::string_view kNoModule = "what would set it is not served";
constexpr std::string_view kTlv = "this part of a PROXY header is not kept";

constexpr AbsentVariable kAbsent[] = {
    // nginx's core
    {"request_body", kNoBody},
    {"request_body_file", kNoBody},
    {"limit_rate", "the annotation limit-rate says it"},
    {"sent_trailer_", kNoTrailers},
    {"proxy_protocol_tlv_", kTlv},
    {"http3", "HTTP/3 is not spoken"},
    {"quic", "HTTP/3 is not spoken"},
    // upstreams
    {"upstream_bytes_sent", "$request_length is what came and was passed on"},
    {"upstream_cache_status", kNoCache},
    {"upstream_cache_last_modified", kNoCache},
    {"upstream_cache_etag", kNoCache},
    {"upstream_cookie_", "$upstream_http_set_cookie has all of them"},
    {"upstream_trailer_", kNoTrailers},
    {"upstream_queue_time", "it is part of $upstream_response_time"},
    {"upstream_last_server_name", "proxy-ssl-name says it"},
    // TLS
    {"ssl_ciphers", kHello},
    {"ssl_curve", kHello},
    {"ssl_curves", kHello},
    {"ssl_sigalg", kHello},
    {"ssl_session_id", "sessions have no number that could be told; $ssl_session_reused says whether one went on"},
    {"ssl_early_data", "early data is not taken"},
    {"ssl_client_cert", kOtherForm},
    {"ssl_client_raw_cert", kOtherForm},
    {"ssl_client_s_dn_legacy", kNoLegacy},
    {"ssl_client_i_dn_legacy", kNoLegacy},
    {"ssl_client_sigalg", kHello},
    // proxying
    {"proxy_port", "$upstream_addr has the ports of the pods"},
    {"proxy_add_via", kNoModule},
    {"proxy_internal_body_length", kNoBody},
    {"proxy_internal_chunked", kNoBody},
    // compression and counters
    {"gzip_ratio", "sluice_compression_bytes_total in /metrics has both sizes"},
    {"connections_active", kCounts},
    {"connections_reading", kCounts},
    {"connections_writing", kCounts},
    {"connections_waiting", kCounts},
    // other modules of ingress-nginx's image
    {"limit_req_status", kLimits},
    {"limit_conn_status", kLimits},
    {"geoip_", kNoGeo},
    {"geoip2_", kNoGeo},
    {"opentelemetry_", kNoTelemetry},
    {"opentracing_", kNoTelemetry},
    {"invalid_referer", kNoModule},
    {"secure_link", kNoModule},
    {"secure_link_expires", kNoModule},
    {"uid_got", kNoModule},
    {"uid_set", kNoModule},
    {"uid_reset", kNoModule},
    {"slice_range", kNoModule},
    {"memcached_key", kNoModule},
    {"ancient_browser", kNoModule},
    {"modern_browser", kNoModule},
    {"msie", kNoModule},
    {"date_local", "$time_local is the time"},
    {"date_gmt", "$time_iso8601 is the time"},
    {"modsecurity_", "ModSecurity is not served"},
    // ingress-nginx's own
    {"balancer_ewma_score", "the score of a pod is kept by the worker that asks it"},
    {"global_rate_limit_exceeding", kLimits},
    {"redirect_to", kNoModule},
    {"tmp_cache_key", kNoCache},
    {"cache_key", kNoCache},
    {"auth_cookie", "$sent_http_set_cookie has it where it is sent"},
    {"block_ua", kLimits},
    {"block_ref", kLimits},
    {"full_x_forwarded_proto", "$pass_access_scheme is it"},
    {"full_x_forwarded_host", "$best_http_host is it"},
};

}  // namespace

std::span<const AbsentVariable> absent_variables() noexcept {
  return kAbsent;
}

std::string_view absent_because(std::string_view name) noexcept {
  for (const AbsentVariable& row : kAbsent) {
    const bool family = row.name.ends_with('_');
    if (family ? name.size() > row.name.size() && iequals(name.substr(0, row.name.size()), row.name)
               : iequals(name, row.name))
      return row.because;
  }
  return {};
}

}  // namespace sluice
