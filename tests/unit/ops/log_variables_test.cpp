#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

#include "base/absent_variables.h"
#include "base/variables.h"
#include "ops/access_log/format.h"

namespace sluice::ops {
namespace {

// What the modules of nginx 1.27 make that ingress-nginx 1.15.1 runs, and its own configuration. Families with an
// example.
constexpr std::string_view kTheirs[] = {
    // ngx_http_core_module
    "arg_x", "args", "binary_remote_addr", "body_bytes_sent", "bytes_sent", "connection", "connection_requests",
    "connection_time", "content_length", "content_type", "cookie_x", "document_root", "document_uri", "host",
    "hostname", "http_x", "https", "is_args", "limit_rate", "msec", "nginx_version", "pid", "pipe",
    "proxy_protocol_addr", "proxy_protocol_port", "proxy_protocol_server_addr", "proxy_protocol_server_port",
    "proxy_protocol_tlv_alpn", "proxy_protocol_tlv_netns", "proxy_protocol_tlv_ssl_sig_alg", "proxy_protocol_tlv_0x01",
    "query_string", "realpath_root", "remote_addr", "remote_port", "remote_user", "request", "request_body",
    "request_body_file", "request_completion", "request_filename", "request_id", "request_length", "request_method",
    "request_time", "request_uri", "scheme", "sent_http_x", "sent_trailer_x", "server_addr", "server_name",
    "server_port", "server_protocol", "status", "tcpinfo_rtt", "tcpinfo_rttvar", "tcpinfo_snd_cwnd",
    "tcpinfo_rcv_space", "time_iso8601", "time_local", "uri",
    // ngx_http_upstream_module
    "upstream_addr", "upstream_bytes_received", "upstream_bytes_sent", "upstream_cache_status",
    "upstream_cache_last_modified", "upstream_cache_etag", "upstream_connect_time", "upstream_cookie_x",
    "upstream_header_time", "upstream_http_x", "upstream_queue_time", "upstream_response_length",
    "upstream_response_time", "upstream_status", "upstream_trailer_x", "upstream_last_server_name",
    // ngx_http_ssl_module
    "ssl_alpn_protocol", "ssl_cipher", "ssl_ciphers", "ssl_client_cert", "ssl_client_escaped_cert",
    "ssl_client_fingerprint", "ssl_client_i_dn", "ssl_client_i_dn_legacy", "ssl_client_raw_cert", "ssl_client_s_dn",
    "ssl_client_s_dn_legacy", "ssl_client_serial", "ssl_client_v_end", "ssl_client_v_remain", "ssl_client_v_start",
    "ssl_client_verify", "ssl_curve", "ssl_curves", "ssl_early_data", "ssl_protocol", "ssl_server_name",
    "ssl_session_id", "ssl_session_reused",
    // ngx_http_proxy_module, ngx_http_fastcgi_module, ngx_http_realip_module, ngx_http_gzip_module
    "proxy_add_x_forwarded_for", "proxy_host", "proxy_port", "proxy_internal_body_length", "proxy_internal_chunked",
    "fastcgi_script_name", "fastcgi_path_info", "realip_remote_addr", "realip_remote_port", "gzip_ratio",
    // ngx_http_v2_module, ngx_http_v3_module, ngx_http_stub_status_module
    "http2", "http3", "quic", "connections_active", "connections_reading", "connections_writing", "connections_waiting",
    // ngx_http_limit_req_module and others of the image
    "limit_req_status", "limit_conn_status", "geoip_country_code", "geoip2_city_country_code", "geoip2_city",
    "invalid_referer", "secure_link", "secure_link_expires", "uid_got", "uid_set", "uid_reset", "slice_range",
    "memcached_key", "ancient_browser", "modern_browser", "msie", "date_local", "date_gmt", "opentelemetry_trace_id",
    "opentelemetry_span_id", "opentelemetry_context_traceparent",
    // the configuration that ingress-nginx makes
    "the_real_ip", "req_id", "namespace", "ingress_name", "service_name", "service_port", "location_path",
    "proxy_upstream_name", "proxy_alternative_upstream_name", "best_http_host", "pass_access_scheme",
    "pass_server_port", "pass_port", "escaped_request_uri", "connection_upgrade", "balancer_ewma_score",
    "literal_dollar"};

TEST(LogVariables, EachOfNginxHasAValueOrAReason) {
  std::size_t with_value = 0, without = 0;
  for (const std::string_view name : kTheirs) {
    AccessLogSettings settings;
    settings.format = "<$" + std::string(name) + ">";
    const auto format = LogFormat::compile(settings);
    if (format->problems().empty()) {
      EXPECT_NE(find_variable(name).id, kUnknown) << name;
      ++with_value;
      continue;
    }
    ++without;
    ASSERT_EQ(format->problems().size(), 1U) << name;
    const auto because = absent_because(name);
    EXPECT_FALSE(because.empty()) << name;
    EXPECT_EQ(format->problems()[0], "variable $" + std::string(name) + " has never a value here (" +
                                         std::string(because) + "), it is written as an absent value");
    ExchangeRecord record;
    LogTimes times;
    char out[256];
    EXPECT_EQ(std::string_view(out, format->write(record, times, out, sizeof out)), "<->\n") << name;
  }
  EXPECT_GT(with_value, 90U);
  EXPECT_GT(without, 40U);
}

TEST(LogVariables, WhatIsAbsentIsNoVariableElsewhere) {
  // A condition of a snippet on one of them would never hold.
  for (const AbsentVariable& row : absent_variables()) {
    const std::string name = std::string(row.name) + (row.name.ends_with('_') ? "x" : "");
    EXPECT_EQ(find_variable(name).id, kUnknown) << name;
    EXPECT_EQ(absent_because(name), row.because) << name << " is hidden by another row";
  }
  EXPECT_EQ(absent_because("nobody"), "");
  EXPECT_EQ(absent_because("geoip2_"), "");
  EXPECT_EQ(absent_because("GZIP_Ratio"), absent_because("gzip_ratio"));
}

TEST(LogVariables, WhatIsAbsentIsDocumented) {
  std::ifstream in(SLUICE_SOURCE_DIR "/docs/variables.md");
  const std::string page((std::istreambuf_iterator<char>(in)), {});
  for (const AbsentVariable& row : absent_variables())
    EXPECT_NE(page.find("`" + std::string(row.name) + (row.name.ends_with('_') ? "NAME`" : "`")), std::string::npos)
        << row.name;
}

}  // namespace
}  // namespace sluice::ops
