#include <algorithm>
#include <iterator>

#include "control/kube/snippet/families.h"
#include "control/kube/snippet/setting_directives.h"

// The directives of nginx that snippets may hold: one row each, with what becomes of it.
namespace sluice::control::snippet {

namespace {

using model::RouteSettings;
using model::Snippet;

constexpr std::uint8_t S = 1, L = 2, IS = 4, IL = 8, SL = S | L, ALL = S | L | IS | IL, SLI = S | L | IL;
constexpr std::size_t kMany = Snippet::kMostWords;

constexpr std::string_view kBuffers = "proxy-buffer-size and the options of buffering say how much lies where";
constexpr std::string_view kOptions = "it is a matter of the connection, and an option of the ConfigMap";
constexpr std::string_view kNoCache = "nothing is cached: every request goes to pods";
constexpr std::string_view kCompression = "the options of compression say so for all hosts";
constexpr std::string_view kFiles = "it speaks of files, of which there are none";
constexpr std::string_view kLogs = "logs are written as the options say";
constexpr std::string_view kTls =
    "how TLS with clients is spoken is chosen by options and by the annotation ssl-ciphers";
constexpr std::string_view kTracing = "requests are not traced";

constexpr Row kRows[] = {
    // steps
    {"break", ALL, 0, 0, read_break},
    {"if", SL, 1, kMany, read_if, {}, false, true},
    {"limit_except", L, 1, 16, read_limit_except, {}, false, true},
    {"location", SL, 1, 2, read_location, {}, false, true},
    {"return", ALL, 1, 2, read_return},
    {"rewrite", ALL, 2, 3, read_rewrite},
    {"set", ALL, 2, 2, read_set},
    // who may come
    {"allow", SL, 1, 1, read_access},
    {"auth_basic", SL, 1, 1, read_auth_basic},
    {"auth_request", SL, 1, 1, read_auth_request},
    {"auth_request_set", SL, 2, 2, read_auth_request_set},
    {"deny", SL, 1, 1, read_access},
    {"internal", L, 0, 0, read_internal},
    {"satisfy", SL, 1, 1, read_satisfy},
    // headers
    {"add_header", SLI, 2, 3, read_add_header},
    {"default_type", SL, 1, 1, read_default_type},
    {"expires", SLI, 1, 1, read_expires},
    {"grpc_set_header", SL, 2, 2, read_set_header},
    {"more_clear_headers", SLI, 1, kMany, read_more_clear},
    {"more_clear_input_headers", SLI, 1, kMany, read_more_input},
    {"more_set_headers", SLI, 1, kMany, read_more_set},
    {"more_set_input_headers", SLI, 1, kMany, read_more_input},
    {"proxy_hide_header", SL, 1, 1, read_hide},
    {"proxy_set_header", SL, 2, 2, read_set_header},
    // pods
    {"proxy_pass", L, 1, 1, read_pass},
    {"proxy_pass_request_body", SL, 1, 1, read_pass_body},
    {"client_max_body_size", SL, 1, 1, read_size<&RouteSettings::body_limit>},
    {"grpc_buffer_size", SL, 1, 1, read_size<&RouteSettings::grpc_head_limit>},
    {"grpc_connect_timeout", SL, 1, 1, read_millis<&RouteSettings::connect_timeout>},
    {"grpc_read_timeout", SL, 1, 1, read_millis<&RouteSettings::read_timeout>},
    {"grpc_send_timeout", SL, 1, 1, read_millis<&RouteSettings::send_timeout>},
    {"proxy_buffer_size", SL, 1, 1, read_size<&RouteSettings::response_head_limit>},
    {"proxy_connect_timeout", SL, 1, 1, read_millis<&RouteSettings::connect_timeout>},
    {"proxy_cookie_domain", SL, 1, 2, read_cookie<&RouteSettings::cookie_domain>},
    {"proxy_cookie_path", SL, 1, 2, read_cookie<&RouteSettings::cookie_path>},
    {"proxy_next_upstream", SL, 1, 16, read_next_upstream},
    {"proxy_next_upstream_timeout", SL, 1, 1, read_millis<&RouteSettings::tries_timeout>},
    {"proxy_next_upstream_tries", SL, 1, 1, read_tries},
    {"proxy_read_timeout", SL, 1, 1, read_millis<&RouteSettings::read_timeout>},
    {"proxy_redirect", SL, 1, 2, read_proxy_redirect},
    {"proxy_request_buffering", SL, 1, 1, read_request_buffering},
    {"proxy_send_timeout", SL, 1, 1, read_millis<&RouteSettings::send_timeout>},
    {"proxy_ssl_name", SL, 1, 1, read_ssl_name},
    {"proxy_ssl_protocols", SL, 1, 4, read_ssl_protocols},
    {"proxy_ssl_server_name", SL, 1, 1, read_ssl_server_name},
    {"proxy_ssl_verify", SL, 1, 1, read_ssl_verify},
    {"mirror", L, 1, 1, read_mirror},
    {"mirror_request_body", L, 1, 1, read_mirror_body},
    // how much clients may ask for, and in which form they get it
    {"limit_conn", SL, 2, 2, read_limit_conn},
    {"limit_conn_status", SL, 1, 1, read_limit_status},
    {"limit_req", SL, 1, 4, read_limit_req},
    {"limit_req_status", SL, 1, 1, read_limit_status},
    {"brotli", SLI, 1, 1, read_coding},
    {"brotli_comp_level", SL, 1, 1, read_coding_level},
    {"brotli_min_length", SL, 1, 1, read_coding_min_length},
    {"brotli_types", SL, 1, kMany, read_coding_types},
    {"gzip", SLI, 1, 1, read_coding},
    {"gzip_comp_level", SL, 1, 1, read_coding_level},
    {"gzip_min_length", SL, 1, 1, read_coding_min_length},
    {"gzip_proxied", SL, 1, kMany, read_gzip_proxied},
    {"gzip_types", SL, 1, kMany, read_coding_types},
    {"gzip_vary", SL, 1, 1, read_gzip_vary},
    // our own answers and logs
    {"error_page", SL, 2, 32, read_error_page},
    {"proxy_intercept_errors", SL, 1, 1, read_intercept},
    {"absolute_redirect", SL, 1, 1, read_on_off<&RouteSettings::relative_redirects, true>},
    {"access_log", SLI, 1, 8, read_access_log},
    {"port_in_redirect", SL, 1, 1, read_on_off<&RouteSettings::port_in_redirects>},
    // taken, and without effect
    {"chunked_transfer_encoding", SL, 1, 1, nullptr, "bodies of unknown length are chunked where HTTP/1.1 is spoken"},
    {"client_body_buffer_size", SL, 1, 1, read_size<&RouteSettings::body_memory>},
    {"client_body_temp_path", SL, 1, 4, nullptr, kBuffers},
    {"client_body_timeout", SL, 1, 1, nullptr, kOptions},
    {"client_header_buffer_size", S, 1, 1, nullptr, kOptions},
    {"client_header_timeout", S, 1, 1, nullptr, kOptions},
    {"error_log", SL, 1, 2, nullptr, kLogs},
    {"etag", SL, 1, 1, nullptr, kFiles},
    {"gzip_buffers", SL, 2, 2, nullptr, kCompression},
    {"gzip_disable", SL, 1, kMany, nullptr, kCompression},
    {"gzip_http_version", SL, 1, 1, nullptr, kCompression},
    {"gzip_static", SL, 1, 1, nullptr, kFiles},
    {"http2", S, 1, 1, nullptr, kOptions},
    {"http2_max_concurrent_streams", S, 1, 1, nullptr, kOptions},
    {"http2_push_preload", SL, 1, 1, nullptr, "nothing is pushed"},
    {"if_modified_since", SL, 1, 1, nullptr, kFiles},
    {"ignore_invalid_headers", S, 1, 1, nullptr, kOptions},
    {"keepalive_requests", SL, 1, 1, nullptr, kOptions},
    {"keepalive_timeout", SL, 1, 2, nullptr, kOptions},
    {"large_client_header_buffers", S, 2, 2, nullptr, kOptions},
    {"limit_conn_dry_run", SL, 1, 1, read_limit_dry_run},
    {"limit_conn_log_level", SL, 1, 1, nullptr, kLogs},
    {"limit_rate", SL, 1, 1, read_rate<&RouteSettings::limit_rate>},
    {"limit_rate_after", SL, 1, 1, read_rate<&RouteSettings::limit_rate_after>},
    {"limit_req_dry_run", SL, 1, 1, read_limit_dry_run},
    {"limit_req_log_level", SL, 1, 1, nullptr, kLogs},
    {"lingering_close", SL, 1, 1, nullptr, kOptions},
    {"lingering_timeout", SL, 1, 1, nullptr, kOptions},
    {"log_not_found", SL, 1, 1, nullptr, kLogs},
    {"log_subrequest", SL, 1, 1, nullptr, kLogs},
    {"opentelemetry", SL, 1, 1, nullptr, kTracing},
    {"opentelemetry_attribute", SL, 2, 2, nullptr, kTracing},
    {"opentelemetry_operation_name", SL, 1, 1, nullptr, kTracing},
    {"opentelemetry_trust_incoming_spans", SL, 1, 1, nullptr, kTracing},
    {"opentracing", SL, 1, 1, nullptr, kTracing},
    {"opentracing_propagate_context", SL, 0, 0, nullptr, kTracing},
    {"opentracing_tag", SL, 2, 2, nullptr, kTracing},
    {"output_buffers", SL, 2, 2, nullptr, kBuffers},
    {"proxy_buffering", SL, 1, 1, read_on_off<&RouteSettings::response_buffering>},
    {"proxy_buffers", SL, 2, 2, read_buffers},
    {"proxy_busy_buffers_size", SL, 1, 1, nullptr, kBuffers},
    {"proxy_cache", SL, 1, 1, nullptr, kNoCache},
    {"proxy_cache_background_update", SL, 1, 1, nullptr, kNoCache},
    {"proxy_cache_bypass", SL, 1, kMany, nullptr, kNoCache},
    {"proxy_cache_convert_head", SL, 1, 1, nullptr, kNoCache},
    {"proxy_cache_key", SL, 1, 1, nullptr, kNoCache},
    {"proxy_cache_lock", SL, 1, 1, nullptr, kNoCache},
    {"proxy_cache_lock_age", SL, 1, 1, nullptr, kNoCache},
    {"proxy_cache_lock_timeout", SL, 1, 1, nullptr, kNoCache},
    {"proxy_cache_methods", SL, 1, kMany, nullptr, kNoCache},
    {"proxy_cache_min_uses", SL, 1, 1, nullptr, kNoCache},
    {"proxy_cache_revalidate", SL, 1, 1, nullptr, kNoCache},
    {"proxy_cache_use_stale", SL, 1, kMany, nullptr, kNoCache},
    {"proxy_cache_valid", SL, 1, kMany, nullptr, kNoCache},
    {"proxy_headers_hash_bucket_size", SL, 1, 1, nullptr, kBuffers},
    {"proxy_headers_hash_max_size", SL, 1, 1, nullptr, kBuffers},
    {"proxy_http_version", SL, 1, 1, read_http_version},
    {"proxy_ignore_client_abort", SL, 1, 1, nullptr, "who leaves ends the request"},
    {"proxy_ignore_headers", SL, 1, kMany, nullptr, kNoCache},
    {"proxy_max_temp_file_size", SL, 1, 1, read_size<&RouteSettings::response_disk>},
    {"proxy_no_cache", SL, 1, kMany, nullptr, kNoCache},
    {"proxy_pass_header", SL, 1, 1, nullptr,
     "headers of pods are passed on; Server is one of allow-backend-server-header"},
    {"proxy_socket_keepalive", SL, 1, 1, nullptr, kOptions},
    {"proxy_ssl_session_reuse", SL, 1, 1, nullptr, "sessions of TLS are reused"},
    {"proxy_temp_file_write_size", SL, 1, 1, nullptr, kBuffers},
    {"reset_timedout_connection", SL, 1, 1, nullptr, kOptions},
    {"resolver", SL, 1, kMany, nullptr, "names are resolved as the system says"},
    {"resolver_timeout", SL, 1, 1, nullptr, "names are resolved as the system says"},
    {"rewrite_log", ALL, 1, 1, nullptr, kLogs},
    {"send_timeout", SL, 1, 1, nullptr, kOptions},
    {"sendfile", SLI, 1, 1, nullptr, kFiles},
    {"server_name_in_redirect", SL, 1, 1, nullptr, "redirects name the host that the client did"},
    {"server_tokens", SL, 1, 1, nullptr, "the option server-tokens says so for all hosts"},
    {"ssl_conf_command", S, 2, 2, nullptr, kTls},
    {"ssl_early_data", S, 1, 1, nullptr, kTls},
    {"ssl_ecdh_curve", S, 1, 1, nullptr, kTls},
    {"ssl_prefer_server_ciphers", S, 1, 1, nullptr, kTls},
    {"ssl_session_cache", S, 1, 2, nullptr, kTls},
    {"ssl_session_tickets", S, 1, 1, nullptr, kTls},
    {"ssl_session_timeout", S, 1, 1, nullptr, kTls},
    {"ssl_stapling", S, 1, 1, nullptr, kTls},
    {"ssl_stapling_verify", S, 1, 1, nullptr, kTls},
    {"tcp_nodelay", SL, 1, 1, nullptr, kOptions},
    {"tcp_nopush", SL, 1, 1, nullptr, kOptions},
    {"types_hash_max_size", SL, 1, 1, nullptr, kFiles},
    {"underscores_in_headers", S, 1, 1, nullptr, kOptions},
    // not taken
    {"access_by_lua", 0, 0, 0, nullptr, "no Lua: there is no interpreter of it here", true},
    {"access_by_lua_block", 0, 0, 0, nullptr, "no Lua: there is no interpreter of it here", true},
    {"add_trailer", 0, 0, 0, nullptr, "add_header: nothing is put behind bodies", true},
    {"addition_types", 0, 0, 0, nullptr, "pods to send their bodies whole", true},
    {"alias", 0, 0, 0, nullptr, "a Service that has the files: there are none here", true},
    {"auth_basic_user_file", 0, 0, 0, nullptr, "the annotations auth-type: basic and auth-secret", true},
    {"charset", 0, 0, 0, nullptr, "more_set_headers \"Content-Type: …\", or pods to say it", true},
    {"fastcgi_pass", 0, 0, 0, nullptr, "the annotation backend-protocol: FCGI", true},
    {"grpc_pass", 0, 0, 0, nullptr, "the annotation backend-protocol: GRPC", true},
    {"include", 0, 0, 0, nullptr, "the text itself: no file is read", true},
    {"listen", 0, 0, 0, nullptr, "the flags --http and --https", true},
    {"map", 0, 0, 0, nullptr, "a series of if with set", true},
    {"modsecurity", 0, 0, 0, nullptr, "a web application firewall in front: there is none here", true},
    {"modsecurity_rules", 0, 0, 0, nullptr, "a web application firewall in front: there is none here", true},
    {"proxy_bind", 0, 0, 0, nullptr, "the network's own routes", true},
    {"proxy_cookie_flags", 0, 0, 0, nullptr, "pods to set the flags of their cookies", true},
    {"proxy_method", 0, 0, 0, nullptr, "the client's method: another one is not sent in its place", true},
    {"proxy_pass_request_headers", 0, 0, 0, nullptr, "proxy_set_header NAME \"\" for each of them", true},
    {"proxy_set_body", 0, 0, 0, nullptr, "the client's body: another one is not sent in its place", true},
    {"proxy_ssl_certificate", 0, 0, 0, nullptr, "the annotation proxy-ssl-secret: no file is read", true},
    {"proxy_ssl_certificate_key", 0, 0, 0, nullptr, "the annotation proxy-ssl-secret: no file is read", true},
    {"proxy_ssl_ciphers", 0, 0, 0, nullptr, "the annotations proxy-ssl-secret and proxy-ssl-ciphers", true},
    {"proxy_ssl_trusted_certificate", 0, 0, 0, nullptr, "the annotation proxy-ssl-secret: no file is read", true},
    {"proxy_ssl_verify_depth", 0, 0, 0, nullptr, "the annotations proxy-ssl-secret and proxy-ssl-verify-depth", true},
    {"real_ip_header", 0, 0, 0, nullptr,
     "the options use-forwarded-headers, forwarded-for-header and proxy-real-ip-cidr", true},
    {"rewrite_by_lua_block", 0, 0, 0, nullptr, "no Lua: there is no interpreter of it here", true},
    {"root", 0, 0, 0, nullptr, "a Service that has the files: there are none here", true},
    {"server", 0, 0, 0, nullptr, "an Ingress with a host", true},
    {"server_name", 0, 0, 0, nullptr, "the annotation server-alias", true},
    {"set_real_ip_from", 0, 0, 0, nullptr, "the option proxy-real-ip-cidr", true},
    {"ssl_certificate", 0, 0, 0, nullptr, "spec.tls of the Ingress", true},
    {"ssl_ciphers", 0, 0, 0, nullptr, "the annotation ssl-ciphers", true},
    {"ssl_client_certificate", 0, 0, 0, nullptr, "the annotation auth-tls-secret", true},
    {"ssl_protocols", 0, 0, 0, nullptr, "the option ssl-protocols", true},
    {"ssl_verify_client", 0, 0, 0, nullptr, "the annotation auth-tls-verify-client", true},
    {"stub_status", 0, 0, 0, nullptr, "the admin address: /metrics", true},
    {"sub_filter", 0, 0, 0, nullptr, "pods to send what clients are to read: bodies are not searched", true},
    {"try_files", 0, 0, 0, nullptr, "a Service that has the files: there are none here", true},
    {"uwsgi_pass", 0, 0, 0, nullptr, "the annotation backend-protocol: FCGI", true},
};

}  // namespace

std::span<const Row> rows() {
  return kRows;
}

const Row* find_row(std::string_view name) {
  const auto* const at = std::ranges::find(kRows, name, &Row::name);
  return at == std::end(kRows) ? nullptr : at;
}

}  // namespace sluice::control::snippet
