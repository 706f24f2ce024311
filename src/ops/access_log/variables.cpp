#include "ops/access_log/variables.h"

#include <unistd.h>

#include <algorithm>
#include <iterator>

#include "base/printable.h"
#include "base/strings.h"

namespace sluice::ops {
namespace {

constexpr char kUpperHex[] = "0123456789ABCDEF";
constexpr char kLowerHex[] = "0123456789abcdef";

// 1 where nginx's escape=default writes \xXX.
constexpr auto kNginxUnsafe = [] {
  std::array<bool, 256> table{};
  for (std::size_t c = 0; c < 256; ++c) table[c] = c < 0x20 || c > 0x7e || c == '"' || c == '\\';
  return table;
}();
constexpr auto kJsonUnsafe = [] {
  std::array<bool, 256> table{};
  for (std::size_t c = 0; c < 256; ++c) table[c] = c < 0x20 || c >= 0x80 || c == '"' || c == '\\';
  return table;
}();

std::size_t safe_prefix(std::string_view s, const std::array<bool, 256>& unsafe) noexcept {
  std::size_t i = 0;
  while (i < s.size() && !unsafe[static_cast<unsigned char>(s[i])]) ++i;
  return i;
}

using Record = ExchangeRecord;

// A field as it is; absent when empty.
template <std::string_view Record::* Field>
bool field(const LogContext& c, std::string_view& value) noexcept {
  value = c.record.*Field;
  return !value.empty();
}

// A part of the PROXY header.
template <auto Field>
bool proxy_field(const LogContext& c, std::string_view& value) noexcept {
  if (!c.record.proxy) return false;
  value = c.record.proxy->*Field;
  return !value.empty();
}
template <std::uint16_t ProxyHeaderRecord::* Field>
bool proxy_port(const LogContext& c, LineWriter& out) noexcept {
  if (!c.record.proxy || c.record.proxy->address.empty()) return false;
  out.put_number(c.record.proxy->*Field);
  return true;
}

template <std::uint64_t Record::* Field>
bool count(const LogContext& c, LineWriter& out) noexcept {
  out.put_number(c.record.*Field);
  return true;
}

int attempts(const Record& r) noexcept {
  return std::clamp(r.attempts, 0, kMaxAttempts);
}

// One value for each attempt, separated as nginx does.
template <class F>
bool each_attempt(const LogContext& c, LineWriter& out, F&& write) noexcept {
  const int n = attempts(c.record);
  for (int i = 0; i < n; ++i) {
    if (i > 0) out.put(std::string_view(", "));
    write(c.record.attempt[i], i + 1 == n);
  }
  return n > 0;
}

template <float Attempt::* Field>
bool attempt_seconds(const LogContext& c, LineWriter& out) noexcept {
  return each_attempt(c, out, [&](const Attempt& a, bool) {
    if (a.*Field < 0)
      out.put('-');
    else
      out.put_seconds(a.*Field);
  });
}

bool upstream_addr(const LogContext& c, LineWriter& out) noexcept {
  return each_attempt(c, out, [&](const Attempt& a, bool) {
    // Without an address nobody was asked: nginx shows the name of the upstream then.
    const std::string_view address(a.address, ::strnlen(a.address, sizeof a.address));
    out.put(address.empty() ? c.record.upstream_name : address);
  });
}

bool upstream_status(const LogContext& c, LineWriter& out) noexcept {
  return each_attempt(c, out, [&](const Attempt& a, bool last) {
    if (a.status != 0)
      out.put_number(a.status);
    else if (last && c.record.status == 499)
      out.put('-');
    else
      out.put_number(last && c.record.status == 504 ? 504 : 502);
  });
}

bool upstream_response_length(const LogContext& c, LineWriter& out) noexcept {
  return each_attempt(c, out, [&](const Attempt& a, bool) { out.put_number(a.response_bytes); });
}

bool upstream_connect_time(const LogContext& c, LineWriter& out) noexcept {
  return each_attempt(c, out, [&](const Attempt& a, bool) {
    if (a.connect_seconds >= 0)
      out.put_seconds(a.connect_seconds);
    else
      out.put(a.header_seconds >= 0 ? std::string_view("0.000") : std::string_view("-"));
  });
}

bool status(const LogContext& c, LineWriter& out) noexcept {
  const unsigned s = c.record.status;
  if (c.json) return out.put_number(s), true;  // JSON knows no leading zeros
  const char text[3] = {static_cast<char>('0' + s / 100 % 10), static_cast<char>('0' + s / 10 % 10),
                        static_cast<char>('0' + s % 10)};
  out.put(std::string_view(text, 3));
  return true;
}

bool msec(const LogContext& c, LineWriter& out) noexcept {
  const auto ms = static_cast<std::uint64_t>(std::max<std::int64_t>(c.record.wall_ms, 0));
  out.put_number(ms / 1000);
  const auto rest = ms % 1000;
  const char text[4] = {'.', static_cast<char>('0' + rest / 100), static_cast<char>('0' + rest / 10 % 10),
                        static_cast<char>('0' + rest % 10)};
  out.put(std::string_view(text, 4));
  return true;
}

std::string_view path_of(const Record& r) noexcept {
  return r.target.substr(0, r.target.find('?'));
}
std::string_view query_of(const Record& r) noexcept {
  const auto mark = r.target.find('?');
  return mark == std::string_view::npos ? std::string_view{} : r.target.substr(mark + 1);
}
std::string_view protocol_of(const Record& r) noexcept {
  if (r.target.empty()) return {};
  return r.major == 2 ? "HTTP/2.0" : r.minor == 0 ? "HTTP/1.0" : "HTTP/1.1";
}

std::string_view host_name(std::string_view authority) noexcept {
  if (authority.starts_with('[')) {
    const auto end = authority.find(']');
    return end == std::string_view::npos ? authority : authority.substr(0, end + 1);
  }
  return authority.substr(0, authority.find(':'));
}

constexpr LogVariable text(std::string_view name, TextVariable read) {
  return {name, read, nullptr, false};
}
constexpr LogVariable raw(std::string_view name, RawVariable write) {
  return {name, nullptr, write, false};
}
constexpr LogVariable number(std::string_view name, RawVariable write) {
  return {name, nullptr, write, true};
}
constexpr LogVariable absent(std::string_view name) {
  return {name, nullptr, nullptr, false};
}

constexpr LogVariable kVariables[] = {
    {},
    text("remote_addr", field<&Record::remote_address>),
    text("the_real_ip", field<&Record::remote_address>),
    text("realip_remote_addr",
         [](const LogContext& c, std::string_view& v) noexcept {
           v = c.record.proxy ? std::string_view(c.record.proxy->sender) : c.record.remote_address;
           return !v.empty();
         }),
    number("remote_port",
           [](const LogContext& c, LineWriter& out) noexcept {
             out.put_number(c.record.remote_port);
             return true;
           }),
    absent("remote_user"),
    raw("time_local",
        [](const LogContext& c, LineWriter& out) noexcept {
          out.put(std::string_view(c.times.local, c.times.local_size));
          return true;
        }),
    raw("time_iso8601",
        [](const LogContext& c, LineWriter& out) noexcept {
          out.put(std::string_view(c.times.iso8601, c.times.iso8601_size));
          return true;
        }),
    number("msec", msec),
    text("request", nullptr),  // several fields: written by put_request
    text("request_method", field<&Record::method>),
    text("request_uri", field<&Record::target>),
    text("uri",
         [](const LogContext& c, std::string_view& v) noexcept {
           v = path_of(c.record);
           return !v.empty();
         }),
    text("document_uri",
         [](const LogContext& c, std::string_view& v) noexcept {
           v = path_of(c.record);
           return !v.empty();
         }),
    text("args",
         [](const LogContext& c, std::string_view& v) noexcept {
           v = query_of(c.record);
           return !v.empty();
         }),
    text("query_string",
         [](const LogContext& c, std::string_view& v) noexcept {
           v = query_of(c.record);
           return !v.empty();
         }),
    raw("is_args",
        [](const LogContext& c, LineWriter& out) noexcept {
          if (!query_of(c.record).empty()) out.put('?');
          return true;
        }),
    text("server_protocol",
         [](const LogContext& c, std::string_view& v) noexcept {
           v = protocol_of(c.record);
           return !v.empty();
         }),
    number("status", status),
    number("grpc_status",
           [](const LogContext& c, LineWriter& out) noexcept {
             if (c.record.grpc_status < 0) return false;
             out.put_number(c.record.grpc_status);
             return true;
           }),
    number("body_bytes_sent", count<&Record::body_bytes_sent>),
    number("bytes_sent", count<&Record::bytes_sent>),
    text("http_referer", field<&Record::referer>),
    text("http_user_agent", field<&Record::user_agent>),
    text("http_host", field<&Record::host>),
    text("host",
         [](const LogContext& c, std::string_view& v) noexcept {
           v = host_name(c.record.host);
           return !v.empty();
         }),
    text("best_http_host", field<&Record::best_host>),
    text("server_name", field<&Record::route_host>),
    number("request_length", count<&Record::request_length>),
    number("request_time",
           [](const LogContext& c, LineWriter& out) noexcept {
             out.put_seconds(c.record.request_seconds);
             return true;
           }),
    text("proxy_upstream_name", field<&Record::upstream_name>),
    raw("proxy_alternative_upstream_name",
        [](const LogContext&, LineWriter&) noexcept { return true; }),  // set but empty
    raw("upstream_addr", upstream_addr),
    raw("upstream_response_length", upstream_response_length),
    raw("upstream_bytes_received", upstream_response_length),
    raw("upstream_response_time", attempt_seconds<&Attempt::response_seconds>),
    raw("upstream_header_time", attempt_seconds<&Attempt::header_seconds>),
    raw("upstream_connect_time", upstream_connect_time),
    raw("upstream_status", upstream_status),
    text("req_id", field<&Record::request_id>),
    text("failure_reason", field<&Record::reason>),
    text("request_id", field<&Record::request_id>),
    text("namespace", field<&Record::ns>),
    text("ingress_name", field<&Record::ingress>),
    text("service_name", field<&Record::service>),
    text("service_port", field<&Record::service_port>),
    text("location_path", field<&Record::path>),
    text("scheme",
         [](const LogContext& c, std::string_view& v) noexcept {
           v = c.record.tls ? "https" : "http";
           return true;
         }),
    text("pass_access_scheme",
         [](const LogContext& c, std::string_view& v) noexcept {
           v = !c.record.scheme.empty() ? c.record.scheme : c.record.tls ? "https" : "http";
           return true;
         }),
    text("https",
         [](const LogContext& c, std::string_view& v) noexcept {
           v = c.record.tls ? "on" : "";
           return true;
         }),
    text("protocol",
         [](const LogContext&, std::string_view& v) noexcept {
           v = "TCP";
           return true;
         }),
    number("bytes_received", count<&Record::request_length>),
    number("session_time",
           [](const LogContext& c, LineWriter& out) noexcept {
             out.put_seconds(c.record.request_seconds);
             return true;
           }),
    text("ssl_preread_server_name", field<&Record::server_name>),
    text("ssl_protocol", field<&Record::tls_protocol>),
    text("ssl_cipher", field<&Record::tls_cipher>),
    text("ssl_server_name", field<&Record::server_name>),
    number("pid",
           [](const LogContext&, LineWriter& out) noexcept {
             static const auto pid = static_cast<std::uint64_t>(::getpid());
             out.put_number(pid);
             return true;
           }),
    text("proxy_protocol_addr", proxy_field<&ProxyHeaderRecord::address>),
    raw("proxy_protocol_port", proxy_port<&ProxyHeaderRecord::port>),
    text("proxy_protocol_server_addr", proxy_field<&ProxyHeaderRecord::server_address>),
    raw("proxy_protocol_server_port", proxy_port<&ProxyHeaderRecord::server_port>),
    text("proxy_protocol_tlv_alpn", proxy_field<&ProxyHeaderRecord::alpn>),
    text("proxy_protocol_tlv_authority", proxy_field<&ProxyHeaderRecord::authority>),
    text("proxy_protocol_tlv_unique_id", proxy_field<&ProxyHeaderRecord::unique_id>),
    text("proxy_protocol_tlv_ssl_version", proxy_field<&ProxyHeaderRecord::tls_version>),
    text("proxy_protocol_tlv_ssl_cn", proxy_field<&ProxyHeaderRecord::tls_common_name>),
    text("proxy_protocol_tlv_ssl_cipher", proxy_field<&ProxyHeaderRecord::tls_cipher>),
    text("proxy_protocol_tlv_ssl_verify", proxy_field<&ProxyHeaderRecord::tls_verify>),
    absent("ssl_client_s_dn"),
    absent("ssl_client_verify"),
    absent("geoip2_city_country_code"),
};

}  // namespace

const LogVariable* log_variables(std::size_t& count) noexcept {
  count = std::size(kVariables);
  return kVariables;
}

void LineWriter::put_seconds(float seconds) noexcept {
  const double value = seconds > 0 ? static_cast<double>(seconds) : 0.0;
  // A float a hair below its millisecond still means that millisecond.
  const auto ms = static_cast<std::uint64_t>(value * 1000 + 0.001);
  put_number(ms / 1000);
  const auto rest = ms % 1000;
  const char text[4] = {'.', static_cast<char>('0' + rest / 100), static_cast<char>('0' + rest / 10 % 10),
                        static_cast<char>('0' + rest % 10)};
  put(std::string_view(text, 4));
}

void put_escaped_nginx(LineWriter& out, std::string_view s) noexcept {
  while (!s.empty()) {
    const std::size_t safe = safe_prefix(s, kNginxUnsafe);
    out.put(s.substr(0, safe));
    if (safe == s.size()) return;
    const auto c = static_cast<unsigned char>(s[safe]);
    const char text[4] = {'\\', 'x', kUpperHex[c >> 4], kUpperHex[c & 15]};
    out.put(std::string_view(text, 4));
    s.remove_prefix(safe + 1);
  }
}

void put_escaped_json(LineWriter& out, std::string_view s) noexcept {
  while (!s.empty()) {
    const std::size_t safe = safe_prefix(s, kJsonUnsafe);
    out.put(s.substr(0, safe));
    if (safe == s.size()) return;
    s.remove_prefix(safe);
    const auto c = static_cast<unsigned char>(s.front());
    std::size_t taken = 1;
    if (c >= 0x80 && (taken = utf8_length(s)) != 0) {
      char spelt[12];
      const std::size_t hidden = spell_hidden_json(s.substr(0, taken), spelt);
      out.put(hidden == 0 ? s.substr(0, taken) : std::string_view(spelt, hidden));
    } else if (c == '"' || c == '\\') {
      const char text[2] = {'\\', static_cast<char>(c)};
      out.put(std::string_view(text, 2));
    } else if (c == '\n' || c == '\r' || c == '\t') {
      out.put(c == '\n' ? std::string_view("\\n") : c == '\r' ? std::string_view("\\r") : std::string_view("\\t"));
    } else {
      const char text[6] = {'\\', 'u', '0', '0', kLowerHex[c >> 4], kLowerHex[c & 15]};
      out.put(std::string_view(text, 6));
      taken = 1;
    }
    s.remove_prefix(taken);
  }
}

}  // namespace sluice::ops
