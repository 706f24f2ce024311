#include "control/kube/options.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/nearest.h"
#include "base/strings.h"
#include "control/control.h"
#include "control/destination.h"
#include "control/kube/grammar.h"
#include "control/kube/guarding_options.h"
#include "control/kube/host_grants.h"
#include "control/source/disclosure.h"

namespace sluice::control {

namespace {

using model::Options;

template <auto M>
std::string read_bool(std::string_view v, Options& o) {
  auto b = parse_bool(v);
  if (!b) return "true or false";
  o.*M = *b;
  return {};
}
template <auto M>
std::string print_bool(const Options& o) {
  return o.*M ? "true" : "false";
}

template <auto M, std::int64_t Low, std::int64_t High>
std::string read_number(std::string_view v, Options& o) {
  auto n = parse_int(v);
  if (!n || *n < Low || *n > High) return "a number from " + std::to_string(Low) + " to " + std::to_string(High);
  o.*M = static_cast<std::remove_reference_t<decltype(o.*M)>>(*n);
  return {};
}
template <auto M>
std::string print_number(const Options& o) {
  return std::to_string(o.*M);
}

// Bare seconds as ingress-nginx's ints, or nginx's times with a unit (240s, 10m, 1h), which its string options use.
template <auto M, std::int64_t Low>
std::string read_seconds(std::string_view v, Options& o) {
  std::int64_t unit = 1;
  auto digits = v;
  if (!digits.empty()) {
    switch (digits.back()) {
      case 's':
        digits.remove_suffix(1);
        break;
      case 'm':
        unit = 60;
        digits.remove_suffix(1);
        break;
      case 'h':
        unit = 3600;
        digits.remove_suffix(1);
        break;
      case 'd':
        unit = 86400;
        digits.remove_suffix(1);
        break;
      default:
        break;
    }
  }
  auto n = parse_int(digits);
  if (!n || *n < Low || *n > 31'536'000 / unit) return "seconds from " + std::to_string(Low) + " to 31536000";
  o.*M = model::Seconds(*n * unit);
  return {};
}
template <auto M>
std::string print_seconds(const Options& o) {
  return std::to_string((o.*M).count());
}

template <auto M, std::uint64_t Low, std::uint64_t High>
std::string read_size(std::string_view v, Options& o) {
  auto n = parse_size(v);
  if (!n || *n < Low || *n > High) return "a size from " + size_text(Low) + " to " + size_text(High);
  o.*M = *n;
  return {};
}
template <auto M>
std::string print_size(const Options& o) {
  return size_text(o.*M);
}

template <auto M>
std::string read_text(std::string_view v, Options& o) {
  o.*M = v;
  return {};
}
template <auto M>
std::string print_text(const Options& o) {
  return o.*M;
}

bool token(std::string_view v) {
  return !v.empty() && made_of(v, "!#$%&'*+-.^_`|~");
}

template <auto M>
std::string read_header(std::string_view v, Options& o) {
  if (!token(v)) return "the name of a header";
  o.*M = v;
  return {};
}

template <auto M>
std::string print_list(const Options& o) {
  std::string out;
  for (auto& e : o.*M) out += (out.empty() ? "" : ",") + e;
  return out;
}
template <auto M>
std::string read_list(std::string_view v, Options& o) {
  (o.*M).clear();
  bool bad = false;
  for_each_word(v, [&](std::string_view e) {
    bad = bad || has_control(e);
    if (!has_control(e)) (o.*M).emplace_back(e);
  });
  return bad ? "words without control characters" : "";
}

template <auto M>
std::string read_headers(std::string_view v, Options& o) {
  (o.*M).clear();
  std::string bad;
  for_each_word(v, [&](std::string_view e) {
    if (token(e))
      (o.*M).emplace_back(e);
    else if (bad.empty())
      bad = shorten(e);
  });
  return bad.empty() ? "" : "names of headers, which \"" + bad + "\" is not";
}

std::string read_redirect_code(std::string_view v, Options& o) {
  auto n = parse_int(v);
  if (!n || (*n != 301 && *n != 302 && *n != 307 && *n != 308)) return "301, 302, 307 or 308";
  o.http_redirect_code = static_cast<std::uint16_t>(*n);
  return {};
}

// Who is trusted: the ranges that can be read, and nobody when there is none. Falling back to the default, everybody,
// would open what the list was written to close.
std::string read_cidrs(std::string_view v, Options& o) {
  o.proxy_real_ip_cidr.clear();
  std::set<std::string> seen;
  std::string bad;
  for_each_word(v, [&](std::string_view e) {
    const auto c = parse_cidr(e);
    if (!c && bad.empty()) bad = shorten(e);
    if (c && seen.insert(cidr_text(*c)).second) o.proxy_real_ip_cidr.push_back(*c);
  });
  if (!bad.empty()) return "address ranges such as 10.0.0.0/8, which \"" + bad + "\" is not";
  if (o.proxy_real_ip_cidr.empty()) return "address ranges such as 10.0.0.0/8";
  return {};
}
std::string print_cidrs(const Options& o) {
  std::string out;
  for (auto& c : o.proxy_real_ip_cidr) out += (out.empty() ? "" : ",") + cidr_text(c);
  return out;
}

// Lists of those whose requests are taken, or are not. Empty ones are none.
template <auto M>
std::string read_source_ranges(std::string_view v, Options& o) {
  (o.*M).clear();
  std::string bad;
  for_each_word(v, [&](std::string_view e) {
    if (const auto range = parse_source_ranges(e))
      (o.*M).push_back(range->front());
    else if (bad.empty())
      bad = shorten(e);
  });
  return bad.empty() ? "" : "addresses and ranges such as 10.0.0.0/8, which \"" + bad + "\" is not";
}
template <auto M>
std::string print_source_ranges(const Options& o) {
  return source_ranges_text(o.*M);
}
// Who is meant to be kept out by what cannot be read is not known: nobody comes.
template <auto M>
void deny_everybody(const Options&, Options& o) {
  o.*M = *parse_source_ranges("0.0.0.0/0,::/0");
}
// What can be read of a list of those who may come is less than was meant; of none at all, nobody.
template <auto M>
void allow_nobody_else(const Options&, Options& o) {
  if ((o.*M).empty()) o.*M = *parse_source_ranges("0.0.0.0/32");
}

std::string read_destinations(std::string_view v, Options& o) {
  std::vector<model::Cidr> ranges;
  std::vector<std::string> names;
  bool bad = false;
  for_each_element(v, [&](std::string_view e) {
    if (const auto range = parse_cidr(e)) return ranges.push_back(*range);
    auto name = lower(e);
    if (name.ends_with('.')) name.pop_back();
    bad = bad || !is_host_name(name, true) || spells_address(name);
    names.push_back(std::move(name));
  });
  if (bad) return "a comma-separated list of address ranges and host names, such as 127.0.0.0/8,*.corp.example";
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

std::string read_hsts_age(std::string_view v, Options& o) {
  auto n = parse_int(v);
  if (!n || *n < 0) return "seconds";
  o.hsts_max_age = std::to_string(*n);
  return {};
}

std::string read_protocols(std::string_view v, Options& o) {
  std::string out;
  while (!v.empty()) {
    auto space = v.find(' ');
    auto name = v.substr(0, space);
    v.remove_prefix(space == std::string_view::npos ? v.size() : space + 1);
    if (name.empty()) continue;
    if (name == "SSLv2" || name == "SSLv3") return "TLSv1, TLSv1.1, TLSv1.2, TLSv1.3; SSL is not offered";
    if (name != "TLSv1" && name != "TLSv1.1" && name != "TLSv1.2" && name != "TLSv1.3")
      return "names of TLS versions separated by spaces";
    out += (out.empty() ? "" : " ") + std::string(name);
  }
  if (out.empty()) return "names of TLS versions separated by spaces";
  o.ssl_protocols = std::move(out);
  return {};
}

template <auto M>
std::string read_openssl_list(std::string_view v, Options& o) {
  if (v.empty()) return "an OpenSSL list";
  for (char c : v) {
    bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!alnum && std::string_view("!:+-_=@.").find(c) == std::string_view::npos) return "an OpenSSL list";
  }
  o.*M = v;
  return {};
}

std::string read_ticket_key(std::string_view v, Options& o) {
  std::string text;
  for (char c : v)
    if (c != '\n' && c != '\r' && c != ' ') text += c;
  bool fine = text.size() == 108 && text[107] == '=';
  for (char c : text) {
    bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    fine = fine && (alnum || c == '+' || c == '/' || c == '=');
  }
  if (!text.empty() && !fine) return "base64 of 80 bytes";
  o.ssl_session_ticket_key = std::move(text);
  return {};
}

std::string read_log_format(std::string_view v, Options& o) {
  if (v == "text")
    o.access_log_format = model::LogFormat::text;
  else if (v == "json")
    o.access_log_format = model::LogFormat::json;
  else
    return "text or json";
  return {};
}

// ingress-nginx's level names and spdlog's.
std::string read_level(std::string_view v, Options& o) {
  static constexpr std::pair<std::string_view, std::string_view> names[] = {
      {"trace", "trace"},    {"debug", "debug"},       {"info", "info"}, {"notice", "info"},   {"warn", "warn"},
      {"warning", "warn"},   {"error", "error"},       {"err", "error"}, {"crit", "critical"}, {"alert", "critical"},
      {"emerg", "critical"}, {"critical", "critical"}, {"off", "off"}};
  for (auto& [name, level] : names)
    if (v == name) {
      o.log_level = level;
      return {};
    }
  return "debug, info, warn, error or off";
}

// As ingress-nginx reads it: any case, and what is no level counts as the strictest.
std::string read_risk(std::string_view v, Options& o) {
  const auto level = lower(v);
  o.annotations_risk_level = level == "critical" ? model::Risk::critical
                             : level == "high"   ? model::Risk::high
                             : level == "medium" ? model::Risk::medium
                                                 : model::Risk::low;
  return {};
}

constexpr std::uint64_t kGiB = 1ULL << 30;

#define BOOL(key, member, doc)                                                     \
  Option {                                                                         \
    key, "boolean", doc, read_bool<&Options::member>, print_bool<&Options::member> \
  }
#define NUMBER(key, member, low, high, doc)                                                      \
  Option {                                                                                       \
    key, "number", doc, read_number<&Options::member, low, high>, print_number<&Options::member> \
  }
#define SECONDS(key, member, low, doc)                                                        \
  Option {                                                                                    \
    key, "seconds", doc, read_seconds<&Options::member, low>, print_seconds<&Options::member> \
  }
#define SIZE(key, member, low, high, doc)                                                  \
  Option {                                                                                 \
    key, "size", doc, read_size<&Options::member, low, high>, print_size<&Options::member> \
  }
#define HEADER(key, member, doc)                                                         \
  Option {                                                                               \
    key, "header name", doc, read_header<&Options::member>, print_text<&Options::member> \
  }
#define LIST(key, member, doc)                                                               \
  Option {                                                                                   \
    key, "list", doc, read_list<&Options::member>, print_list<&Options::member>, false, true \
  }

constexpr std::array kOptions{
    // whose hosts are whose
    Option{"host-namespaces", "list of HOST=NAMESPACE",
           "sluice: which namespaces may have Ingresses for which hosts; `*.x` is all below x, `*` every host, `_` the "
           "catch-all, NAMESPACE `*` any; the most specific HOST decides ([tenancy](tenancy.md))",
           read_host_grants, print_host_grants, false, true, keep_host_grants},
    Option{
        "share-hosts", "boolean",
        "sluice: namespaces that a host does not belong to may have paths there ([tenancy](tenancy.md)); a value that "
        "cannot be read counts as false",
        read_bool<&Options::share_hosts>, print_bool<&Options::share_hosts>, false, false,
        [](const Options&, Options& o) { o.share_hosts = false; }},
    // whose requests are taken
    Option{
        "whitelist-source-range", "list of ranges",
        "whose requests are taken, others are 403; an Ingress's allowlist-source-range stands in its place; of a list "
        "that cannot be read whole the rest counts, of one that cannot be read at all nobody",
        read_source_ranges<&Options::whitelist_source_range>, print_source_ranges<&Options::whitelist_source_range>,
        false, true, allow_nobody_else<&Options::whitelist_source_range>},
    Option{"denylist-source-range", "list of ranges",
           "whose requests are 403; an Ingress's own list stands in its place; a list that cannot be read whole denies "
           "everybody",
           read_source_ranges<&Options::denylist_source_range>, print_source_ranges<&Options::denylist_source_range>,
           false, true, deny_everybody<&Options::denylist_source_range>},
    Option{"block-cidrs", "list of ranges",
           "whose requests are 403 where neither the Ingress nor the two lists above say whose are taken, and where no "
           "Ingress takes them; a list that cannot be read whole denies everybody",
           read_source_ranges<&Options::block_cidrs>, print_source_ranges<&Options::block_cidrs>, false, true,
           deny_everybody<&Options::block_cidrs>},
    // redirects and HSTS
    Option{"http-redirect-code", "301, 302, 307, 308", "status of redirects to https", read_redirect_code,
           print_number<&Options::http_redirect_code>},
    BOOL("ssl-redirect", ssl_redirect, "redirect http to https on hosts with a TLS section"),
    BOOL("force-ssl-redirect", force_ssl_redirect, "redirect http to https on every host"),
    BOOL("preserve-trailing-slash", preserve_trailing_slash, "keep a final / in redirects to https"),
    BOOL("use-port-in-redirects", use_port_in_redirects,
         "name the port of the first https listener in redirects to https"),
    BOOL("relative-redirects", relative_redirects, "Location without scheme and host"),
    LIST("no-tls-redirect-locations", no_tls_redirect_locations,
         "configured paths below these are never redirected to https"),
    BOOL("hsts", hsts, "send Strict-Transport-Security on https"),
    Option{"hsts-max-age", "seconds", "its max-age", read_hsts_age, print_text<&Options::hsts_max_age>},
    BOOL("hsts-include-subdomains", hsts_include_subdomains, "its includeSubDomains"),
    BOOL("hsts-preload", hsts_preload, "its preload"),
    // who the client is
    BOOL("use-forwarded-headers", use_forwarded_headers, "believe X-Forwarded-* of clients in proxy-real-ip-cidr"),
    BOOL("enable-real-ip", enable_real_ip, "take the client's address from forwarded-for-header"),
    BOOL("compute-full-forwarded-for", compute_full_forwarded_for, "append to X-Forwarded-For instead of replacing it"),
    HEADER("forwarded-for-header", forwarded_for_header, "header with the client's address"),
    HEADER("forwarded-host-header", forwarded_host_header, "header with the client's host"),
    Option{"proxy-real-ip-cidr", "list of ranges", "proxies whose headers are believed", read_cidrs, print_cidrs, false,
           true},
    BOOL("use-proxy-protocol", use_proxy_protocol, "every connection begins with a PROXY header (v1 or v2)"),
    SECONDS("proxy-protocol-header-timeout", proxy_protocol_header_timeout, 1, "time for a PROXY header"),
    BOOL("generate-request-id", generate_request_id, "make an X-Request-ID where the client sent none"),
    BOOL("proxy-add-original-uri-header", proxy_add_original_uri_header, "send X-Original-URI upstream"),
    BOOL("via", via, "add Via: 1.1 sluice both ways"),
    // downstream connections
    SECONDS("keep-alive", keep_alive, 0, "idle time of client connections; 0 closes after each response"),
    NUMBER("keep-alive-requests", keep_alive_requests, 0, 4'000'000'000,
           "requests on one client connection; 0 is no limit"),
    SECONDS("client-header-timeout", client_header_timeout, 1, "time for a whole request head"),
    SECONDS("client-body-timeout", client_body_timeout, 1, "time between two reads of a request body"),
    SECONDS("client-send-timeout", client_send_timeout, 1, "time between two writes that a client takes"),
    SIZE("client-header-buffer-size", client_header_buffer_size, 256, 16ULL << 20, "first buffer of a request head"),
    Option{"large-client-header-buffers", "number and size",
           "further buffers of a request head: how many, and the longest line", read_header_buffers,
           print_header_buffers},
    NUMBER("max-headers", max_headers, 1, 10'000, "header fields of a request; more are 431"),
    SIZE("client-min-rate", client_min_rate, 0, kGiB,
         "bytes a second that a transfer must move on average after 10 s; 0 is off"),
    NUMBER("overload-close-idle", overload_close_idle, 0, 100,
           "per cent of the memory limit from which on clients' connections are not kept alive; 0 is never"),
    NUMBER("overload-reset-slow", overload_reset_slow, 0, 100,
           "and from which on those are reset that hold memory and take or send nothing"),
    NUMBER("overload-refuse-requests", overload_refuse_requests, 0, 100, "and from which on new requests get 503"),
    NUMBER("overload-stop-accepting", overload_stop_accepting, 0, 100, "and from which on no connections are accepted"),
    NUMBER("max-connections", max_connections, 0, 4'000'000'000,
           "client connections in all; 0 is 80 % of the descriptor limit"),
    NUMBER("max-connections-per-address", max_connections_per_address, 0, 4'000'000'000,
           "client connections of one address; 0 is no limit"),
    NUMBER("max-pipelined", max_pipelined, 1, 100'000, "pipelined requests answered in a row"),
    SECONDS("tunnel-idle-timeout", tunnel_idle_timeout, 1, "idle time of upgraded connections"),
    SECONDS("tunnel-max-lifetime", tunnel_max_lifetime, 0,
            "how long an upgraded connection may live, however busy; 0 is without limit"),
    BOOL("enable-underscores-in-headers", enable_underscores_in_headers, "pass header names with an underscore"),
    BOOL("ignore-invalid-headers", ignore_invalid_headers, "drop invalid header fields instead of passing them"),
    BOOL("server-tokens", server_tokens, "send a Server header"),
    BOOL("allow-backend-server-header", allow_backend_server_header, "pass the pod's Server header"),
    Option{"hide-headers", "list", "response headers of pods that are removed", read_headers<&Options::hide_headers>,
           print_list<&Options::hide_headers>, false, true},
    NUMBER("max-interim-responses", max_interim_responses, 0, 1000, "1xx responses passed on for one request"),
    BOOL("use-http2", use_http2, "offer HTTP/2 to TLS clients"),
    BOOL("http2-prior-knowledge", http2_prior_knowledge, "take HTTP/2 without TLS (h2c) on the plain listeners too"),
    NUMBER("http2-max-concurrent-streams", http2_max_concurrent_streams, 1, 10'000,
           "requests that one client may have open at once on an HTTP/2 connection"),
    SECONDS("http2-max-connection-age", http2_max_connection_age, 0,
            "age at which an HTTP/2 connection is asked to end (GOAWAY), a tenth more or less; 0 is never"),
    // TLS
    Option{"ssl-protocols", "TLS versions", "versions offered to clients", read_protocols,
           print_text<&Options::ssl_protocols>},
    Option{"ssl-ciphers", "OpenSSL list", "ciphers up to TLS 1.2", read_openssl_list<&Options::ssl_ciphers>,
           print_text<&Options::ssl_ciphers>},
    Option{"ssl-ecdh-curve", "OpenSSL list", "groups for the key exchange", read_openssl_list<&Options::ssl_ecdh_curve>,
           print_text<&Options::ssl_ecdh_curve>},
    BOOL("ssl-session-cache", ssl_session_cache, "keep sessions for resumption"),
    BOOL("ssl-session-tickets", ssl_session_tickets, "resume by tickets (ingress-nginx has them off)"),
    Option{"ssl-session-ticket-key", "base64 of 80 bytes", "shares tickets between replicas", read_ticket_key,
           print_text<&Options::ssl_session_ticket_key>, true},
    SECONDS("ssl-session-timeout", ssl_session_timeout, 1, "life of sessions"),
    BOOL("ssl-reject-handshake", ssl_reject_handshake, "refuse handshakes for unknown names"),
    SECONDS("ssl-handshake-timeout", ssl_handshake_timeout, 1, "time for a handshake"),
    // upstream
    SECONDS("proxy-connect-timeout", proxy_connect_timeout, 0, "time to connect to a pod"),
    SECONDS("proxy-send-timeout", proxy_send_timeout, 0, "time between two writes to a pod"),
    SECONDS("proxy-read-timeout", proxy_read_timeout, 0, "time between two reads from a pod"),
    SIZE("proxy-body-size", proxy_body_size, 0, 1ULL << 60, "largest request body; 0 is no limit"),
    SIZE("proxy-buffer-size", proxy_buffer_size, 256, 64ULL << 20, "largest response head"),
    Option{"proxy-request-buffering", "on or off", "collect chunked request bodies up to 1 MiB",
           [](std::string_view v, Options& o) -> std::string {
             auto b = parse_on_off(v);
             if (!b) return "on or off";
             o.proxy_request_buffering = *b;
             return {};
           },
           [](const Options& o) -> std::string { return o.proxy_request_buffering ? "on" : "off"; }},
    NUMBER("proxy-next-upstream-tries", proxy_next_upstream_tries, 0, 1000, "tries in all; 0 is one for each endpoint"),
    SECONDS("proxy-next-upstream-timeout", proxy_next_upstream_timeout, 0,
            "time in which further tries may start; 0 is no limit"),
    BOOL("enable-grpc-web", enable_grpc_web,
         "sluice: calls of gRPC-Web become calls of gRPC, for pods that speak GRPC or GRPCS; CORS is not its business"),
    Option{"ambiguous-paths", "raw, normalize or refuse",
           "sluice: what pods get of a path that two readers may take for different ones ([paths](paths.md)); a value "
           "that cannot be read counts as refuse",
           [](std::string_view v, Options& o) -> std::string {
             const auto way = parse_ambiguous_paths(v);
             if (!way) return "raw, normalize or refuse";
             o.ambiguous_paths = *way;
             return {};
           },
           [](const Options& o) -> std::string { return std::string(to_string(o.ambiguous_paths)); }, false, false,
           [](const Options&, Options& o) { o.ambiguous_paths = model::AmbiguousPaths::refuse; }},
    BOOL("retry-non-idempotent", retry_non_idempotent, "retry POST, PATCH and methods of other standards too"),
    NUMBER("upstream-keepalive-connections", upstream_keepalive_connections, 0, 1'000'000,
           "idle connections to pods, a worker"),
    SECONDS("upstream-keepalive-timeout", upstream_keepalive_timeout, 1,
            "idle time of connections to pods; a pod that announces less (`Keep-Alive: timeout=N`) is left a second "
            "before"),
    SECONDS("upstream-keepalive-time", upstream_keepalive_time, 1, "life of connections to pods"),
    NUMBER("upstream-keepalive-requests", upstream_keepalive_requests, 1, 4'000'000'000,
           "requests on one connection to a pod"),
    NUMBER("upstream-max-connections", upstream_max_connections, 0, 1'000'000,
           "connections to one endpoint, a worker; 0 is no limit"),
    NUMBER("upstream-max-pending", upstream_max_pending, 0, 1'000'000,
           "requests that wait for one of those, a worker and cluster"),
    Option{
        "allow-destinations", "comma list of ranges and names",
        "sluice: where requests may be sent although it is refused by default: loopback, link-local, metadata and the "
        "like, by address; or by the name of an ExternalName Service, `*.` for all below it (docs/destinations.md)",
        read_destinations, print_destinations},
    // logs
    BOOL("disable-access-log", disable_access_log, "no access log"),
    BOOL("enable-access-log-for-default-backend", enable_access_log_for_default_backend,
         "log requests for unknown hosts too"),
    Option{"access-log-path", "path or -", "file of the access log; - is standard output",
           [](std::string_view v, Options& o) -> std::string {
             if (v.empty()) return "a path, - or off";
             o.access_log_path = v;
             return {};
           },
           print_text<&Options::access_log_path>},
    Option{"log-format-upstream", "nginx log format", "format of the access log; empty is the default line",
           read_text<&Options::log_format_upstream>, print_text<&Options::log_format_upstream>},
    Option{"log-format-stream", "nginx log format",
           "format of its lines for connections that are passed through; empty is the default line",
           read_text<&Options::log_format_stream>, print_text<&Options::log_format_stream>},
    BOOL("log-format-escape-json", log_format_escape_json, "escape variables for JSON"),
    BOOL("log-format-escape-none", log_format_escape_none, "escape nothing"),
    Option{"access-log-format", "text or json", "json writes one object a line", read_log_format,
           [](const Options& o) -> std::string {
             return o.access_log_format == model::LogFormat::json ? "json" : "text";
           }},
    LIST("skip-access-log-urls", skip_access_log_urls, "request targets that are not logged"),
    Option{"log-level", "debug, info, warn, error, off", "level of the program log", read_level,
           print_text<&Options::log_level>},
    Option{"error-log-level", "nginx's names", "the same under ingress-nginx's name", read_level,
           print_text<&Options::log_level>},
    // what Ingresses may ask for
    Option{
        "annotations-risk-level", "Low, Medium, High, Critical",
        "an Ingress with an annotation of a higher risk is not served; snippets are Critical; what is no level is Low",
        read_risk, [](const Options& o) { return std::string(to_string(o.annotations_risk_level)); }},
    BOOL("allow-snippet-annotations", allow_snippet_annotations,
         "no snippet is ever run: with annotations-risk-level Critical, true closes what Ingresses with snippets would "
         "guard, false serves them without their snippets"),
    LIST("annotation-value-word-blocklist", annotation_value_word_blocklist,
         "an Ingress with one of these words in the value of an annotation is not served"),
    LIST("no-auth-locations", no_auth_locations,
         "configured paths that begin with one of these need no authentication, and are served where the lack of it "
         "closes others"),
    // shutdown
    SECONDS("shutdown-grace-period", shutdown_grace_period, 0, "after SIGTERM: not ready, but still accepting"),
    SECONDS("worker-shutdown-timeout", worker_shutdown_timeout, 0, "then: how long running exchanges may take"),
};
#undef BOOL
#undef NUMBER
#undef SECONDS
#undef SIZE
#undef HEADER
#undef LIST

// Keys of ingress-nginx that mean nothing here.
constexpr std::string_view kNoEffect[] = {"server-name-hash-max-size",
                                          "server-name-hash-bucket-size",
                                          "map-hash-bucket-size",
                                          "variables-hash-bucket-size",
                                          "variables-hash-max-size",
                                          "proxy-headers-hash-max-size",
                                          "proxy-headers-hash-bucket-size",
                                          "lua-shared-dicts",
                                          "worker-processes",
                                          "worker-cpu-affinity",
                                          "max-worker-connections",
                                          "max-worker-open-files",
                                          "enable-aio-write",
                                          "enable-multi-accept",
                                          "main-snippet",
                                          "stream-snippet",
                                          "reuse-port",
                                          "ssl-session-cache-size",
                                          "nginx-status-ipv4-whitelist",
                                          "nginx-status-ipv6-whitelist",
                                          "debug-connections",
                                          "forwarded-for-proxy-protocol-header",
                                          "strict-validate-path-type"};

// Keys of ingress-nginx for what this version does not do.
constexpr std::string_view kUnserved[] = {"add-headers",
                                          "allow-cross-namespace-resources",
                                          "brotli-level",
                                          "brotli-min-length",
                                          "brotli-types",
                                          "client-body-buffer-size",
                                          "custom-http-errors",
                                          "default-type",
                                          "disable-ipv6",
                                          "disable-ipv6-dns",
                                          "enable-auth-access-log",
                                          "enable-brotli",
                                          "enable-ocsp",
                                          "enable-opentelemetry",
                                          "enable-owasp-modsecurity-crs",
                                          "enable-syslog",
                                          "global-allowed-response-headers",
                                          "global-auth-always-set-cookie",
                                          "global-auth-cache-duration",
                                          "global-auth-cache-key",
                                          "global-auth-method",
                                          "global-auth-request-redirect",
                                          "global-auth-response-headers",
                                          "global-auth-signin",
                                          "global-auth-signin-redirect-param",
                                          "global-auth-snippet",
                                          "gzip-disable",
                                          "gzip-level",
                                          "gzip-min-length",
                                          "gzip-types",
                                          "http2-max-field-size",
                                          "http2-max-header-size",
                                          "http2-max-requests",
                                          "limit-conn-status-code",
                                          "limit-conn-zone-variable",
                                          "limit-rate",
                                          "limit-rate-after",
                                          "limit-req-status-code",
                                          "load-balance",
                                          "modsecurity-snippet",
                                          "proxy-add-original-host-header",
                                          "proxy-buffering",
                                          "proxy-buffers-number",
                                          "proxy-busy-buffers-size",
                                          "proxy-cookie-domain",
                                          "proxy-cookie-path",
                                          "proxy-http-version",
                                          "proxy-max-temp-file-size",
                                          "proxy-next-upstream",
                                          "proxy-redirect-from",
                                          "proxy-redirect-to",
                                          "proxy-set-headers",
                                          "proxy-ssl-location-only",
                                          "proxy-stream-next-upstream",
                                          "proxy-stream-next-upstream-timeout",
                                          "proxy-stream-next-upstream-tries",
                                          "proxy-stream-responses",
                                          "proxy-stream-timeout",
                                          "service-upstream",
                                          "ssl-buffer-size",
                                          "ssl-dh-param",
                                          "ssl-early-data",
                                          "syslog-host",
                                          "syslog-port",
                                          "upstream-hash-by",
                                          "use-geoip2",
                                          "use-gzip"};

const Option* find(std::string_view key) {
  auto it = std::find_if(kOptions.begin(), kOptions.end(), [&](const Option& o) { return o.key == key; });
  return it == kOptions.end() ? nullptr : &*it;
}

// What was expected instead of `value`; empty when it could be read. A list judges each of its words.
std::string parse(const Option& row, std::string_view value, model::Options& out) {
  value = trim_space(value);
  if (!row.secret && !row.list && has_control(value)) return "a value without control characters";
  return row.parse(value, out);
}

// A key that guards requests and is not served. A value that forbids nothing is honoured by doing nothing.
void guard(const GuardingOption& option, std::string_view value, bool accepted, const model::ObjectRef& object,
           const std::string& field, OptionsResult& out) {
  if (!option.forbids(value)) return;
  const std::string key(option.key);
  if (accepted) {
    out.entries.push_back({object,
                           {model::Severity::warning, "Unprotected", field, shorten(value),
                            "a key that this version serves", "it has no effect, as --accept-unprotected says"}});
    return;
  }
  out.entries.push_back({object,
                         {model::Severity::error, "UnsupportedOption", field, shorten(value),
                          "a key that this version serves, or --accept-unprotected " + key,
                          "what it guards answers 503, as serving it without this protection would open it"}});
  if (std::find(out.guards.begin(), out.guards.end(), key) == out.guards.end()) out.guards.push_back(key);
}

void apply(const std::map<std::string, std::string>& data, const model::ObjectRef& object, const std::string& prefix,
           const model::Options& previous, const std::set<std::string>& accepted, OptionsResult& out) {
  for (auto& [key, written] : data) {
    if (const auto* option = guarding_option(key)) {
      guard(*option, written, accepted.contains(key), object, prefix + "[" + key + "]", out);
      continue;
    }
    const Option* row = find(key);
    auto field = prefix + "[" + (row ? key : Disclosure::option(key)) + "]";
    if (!row) {
      auto among = [&](const auto& list) { return std::find(std::begin(list), std::end(list), key) != std::end(list); };
      bool nginx = among(kNoEffect);
      bool unserved = among(kUnserved);
      out.entries.push_back({object,
                             {model::Severity::warning,
                              nginx      ? "NoEffect"
                              : unserved ? "UnsupportedOption"
                                         : "UnknownOption",
                              // An unknown key may be a secret one, misspelt.
                              field, nginx || unserved ? shorten(written) : "",
                              nginx      ? "nothing: it belongs to nginx"
                              : unserved ? "a key that this version serves"
                                         : "a key that docs/configuration.md lists",
                              "it has no effect"}});
      continue;
    }
    std::string expected = parse(*row, written, out.options);
    if (expected.empty()) continue;
    if (row->keep) row->keep(previous, out.options);
    const bool judged = row->list || row->keep;
    auto kept = row->print(judged ? out.options : previous);
    if (!row->secret && !judged) row->parse(kept, out.options);
    out.entries.push_back(
        {object,
         {model::Severity::warning, "InvalidOption", field, row->secret ? "" : shorten(written), expected,
          row->secret              ? "it is not used"
          : judged && kept.empty() ? "none counts"
          : judged                 ? "what counts is " + shorten(kept)
          : kept.empty()           ? "it stays empty"
                                   : "it stays at " + shorten(kept)}});
  }
}

}  // namespace

std::span<const Option> options() {
  return kOptions;
}

OptionsResult read_options(const std::map<std::string, std::string>& data, const model::ObjectRef& object,
                           const std::map<std::string, std::string>& set, const model::Options& previous,
                           const std::set<std::string>& accepted) {
  OptionsResult out;
  apply(data, object, "data", previous, accepted, out);
  apply(set, {"CommandLine", "", "--set", {}}, "--set", previous, accepted, out);
  auto& o = out.options;
  if ((o.use_forwarded_headers || o.enable_real_ip || o.use_proxy_protocol) &&
      std::find(o.proxy_real_ip_cidr.begin(), o.proxy_real_ip_cidr.end(), model::Cidr{}) != o.proxy_real_ip_cidr.end())
    out.entries.push_back(
        {object,
         {model::Severity::warning, "TrustsEveryone", "data[proxy-real-ip-cidr]", print_cidrs(o),
          "the ranges of your own proxies", "any client may choose the address and scheme that pods see"}});
  return out;
}

bool is_option(std::string_view key) {
  const auto among = [&](const auto& list) {
    return std::find(std::begin(list), std::end(list), key) != std::end(list);
  };
  return find(key) != nullptr || guarding_option(key) != nullptr || among(kNoEffect) || among(kUnserved);
}

std::string option_name(const std::string& word) {
  return Disclosure::option(word);
}

std::string check_option(const std::string& key, const std::string& value) {
  const Option* row = find(key);
  if (guarding_option(key) != nullptr) return key + " guards requests, and is not served by this version";
  if (!row) {
    std::vector<std::string_view> keys;
    for (const auto& o : options()) keys.push_back(o.key);
    return "unknown option " + Disclosure::option(key) + did_you_mean(key, keys);
  }
  model::Options scratch;
  auto expected = parse(*row, value, scratch);
  return expected.empty() ? "" : key + "=" + (row->secret ? "…" : shorten(value)) + ": expected " + expected;
}

}  // namespace sluice::control
