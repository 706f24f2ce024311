#include "ops/access_log/variables.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
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

// Likewise, of what may be there and empty.
template <std::string_view Record::* Field>
bool given(const LogContext& c, std::string_view& value) noexcept {
  value = c.record.*Field;
  return value.data() != nullptr;
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
    if (i > 0) out.put(std::string_view(c.record.attempt[i].elsewhere ? " : " : ", "));
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
    else if (a.blameless || (last && c.record.status == 499))
      out.put('-');
    else
      out.put_number(a.timed_out || (last && c.record.status == 504) ? 504 : 502);
  });
}

bool upstream_response_length(const LogContext& c, LineWriter& out) noexcept {
  return each_attempt(c, out, [&](const Attempt& a, bool) { out.put_number(a.response_bytes); });
}

bool upstream_bytes_received(const LogContext& c, LineWriter& out) noexcept {
  return each_attempt(c, out, [&](const Attempt& a, bool) { out.put_number(a.received_bytes); });
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

std::string_view protocol_of(const Record& r) noexcept {
  if (r.target.empty()) return {};
  return r.major == 2 ? "HTTP/2.0" : r.minor == 0 ? "HTTP/1.0" : "HTTP/1.1";
}

constexpr LogReader text(TextReader read) {
  return {read, nullptr, false, false};
}
constexpr LogReader raw(RawReader write) {
  return {nullptr, write, false, false};
}
constexpr LogReader number(RawReader write) {
  return {nullptr, write, true, false};
}
constexpr LogReader of_streams(LogReader reader) {
  reader.of_streams = true;
  return reader;
}

constexpr auto kReaders = [] {
  std::array<LogReader, std::size(kVariables)> t{};
  t[variable("remote_addr")] = text(field<&Record::remote_address>);
  t[variable("the_real_ip")] = text(field<&Record::remote_address>);
  t[variable("realip_remote_addr")] = of_streams(text([](const LogContext& c, std::string_view& v) noexcept {
    v = c.record.proxy ? std::string_view(c.record.proxy->sender) : c.record.remote_address;
    return !v.empty();
  }));
  t[variable("remote_port")] = number([](const LogContext& c, LineWriter& out) noexcept {
    out.put_number(c.record.remote_port);
    return true;
  });
  t[variable("remote_user")] = text(field<&Record::remote_user>);
  t[variable("time_local")] = raw([](const LogContext& c, LineWriter& out) noexcept {
    out.put(std::string_view(c.times.local, c.times.local_size));
    return true;
  });
  t[variable("time_iso8601")] = raw([](const LogContext& c, LineWriter& out) noexcept {
    out.put(std::string_view(c.times.iso8601, c.times.iso8601_size));
    return true;
  });
  t[variable("msec")] = number(msec);
  t[variable("request")] = text(nullptr);  // several fields: written by put_request
  t[variable("request_method")] = text(field<&Record::method>);
  t[variable("request_uri")] = text(field<&Record::target>);
  t[variable("server_protocol")] = text([](const LogContext& c, std::string_view& v) noexcept {
    v = protocol_of(c.record);
    return !v.empty();
  });
  t[variable("status")] = number(status);
  t[variable("grpc_status")] = number([](const LogContext& c, LineWriter& out) noexcept {
    if (c.record.grpc_status < 0) return false;
    out.put_number(static_cast<std::uint64_t>(c.record.grpc_status));
    return true;
  });
  t[variable("body_bytes_sent")] = number(count<&Record::body_bytes_sent>);
  t[variable("bytes_sent")] = number(count<&Record::bytes_sent>);
  t[variable("http_referer")] = text(given<&Record::referer>);
  t[variable("http_user_agent")] = text(given<&Record::user_agent>);
  t[variable("http_host")] = text(given<&Record::host>);
  t[variable("host")] = of_streams(text(field<&Record::host>));
  t[variable("server_name")] = text(field<&Record::route_host>);
  t[variable("request_length")] = number(count<&Record::request_length>);
  t[variable("request_time")] = number([](const LogContext& c, LineWriter& out) noexcept {
    out.put_seconds(c.record.request_seconds);
    return true;
  });
  t[variable("request_completion")] = text([](const LogContext& c, std::string_view& v) noexcept {
    const Record& r = c.record;
    const int n = attempts(r);
    // What the pod began and did not end has its status, and a reason.
    const bool broke_off = !r.reason.empty() && n > 0 && r.attempt[n - 1].status == r.status;
    v = r.status == 499 || r.status == 0 || broke_off ? std::string_view() : std::string_view("OK");
    return true;
  });
  t[variable("proxy_upstream_name")] = text(given<&Record::upstream_name>);
  // Set, be it empty.
  t[variable("proxy_alternative_upstream_name")] = raw([](const LogContext& c, LineWriter& out) noexcept {
    out.put(c.record.canary);
    return true;
  });
  t[variable("upstream_addr")] = raw(upstream_addr);
  t[variable("upstream_response_length")] = raw(upstream_response_length);
  t[variable("upstream_bytes_received")] = raw(upstream_bytes_received);
  t[variable("upstream_response_time")] = raw(attempt_seconds<&Attempt::response_seconds>);
  t[variable("upstream_header_time")] = raw(attempt_seconds<&Attempt::header_seconds>);
  t[variable("upstream_connect_time")] = raw(upstream_connect_time);
  t[variable("upstream_status")] = raw(upstream_status);
  t[variable("req_id")] = text(field<&Record::request_id>);
  t[variable("request_id")] = text(field<&Record::request_id>);
  t[variable("failure_reason")] = text(field<&Record::reason>);
  t[variable("namespace")] = text(field<&Record::ns>);
  t[variable("ingress_name")] = text(field<&Record::ingress>);
  t[variable("service_name")] = text(field<&Record::service>);
  t[variable("service_port")] = text(field<&Record::service_port>);
  t[variable("location_path")] = text(field<&Record::path>);
  t[variable("scheme")] = text([](const LogContext& c, std::string_view& v) noexcept {
    v = c.record.tls ? "https" : "http";
    return true;
  });
  t[variable("protocol")] = text([](const LogContext& c, std::string_view& v) noexcept {
    v = c.record.stream_kind == StreamKind::udp ? "UDP" : "TCP";
    return true;
  });
  t[variable("server_port")] = of_streams(number([](const LogContext& c, LineWriter& out) noexcept {
    out.put_number(c.record.server_port);
    return true;
  }));
  t[variable("bytes_received")] = number(count<&Record::request_length>);
  t[variable("session_time")] = number([](const LogContext& c, LineWriter& out) noexcept {
    out.put_seconds(c.record.request_seconds);
    return true;
  });
  t[variable("ssl_preread_server_name")] = text(field<&Record::server_name>);
  t[variable("ssl_protocol")] = text(field<&Record::tls_protocol>);
  t[variable("ssl_cipher")] = text(field<&Record::tls_cipher>);
  t[variable("ssl_server_name")] = text(field<&Record::server_name>);
  t[variable("pid")] = number([](const LogContext&, LineWriter& out) noexcept {
    static const auto pid = static_cast<std::uint64_t>(::getpid());
    out.put_number(pid);
    return true;
  });
  t[variable("proxy_protocol_addr")] = text(proxy_field<&ProxyHeaderRecord::address>);
  t[variable("proxy_protocol_port")] = raw(proxy_port<&ProxyHeaderRecord::port>);
  t[variable("proxy_protocol_server_addr")] = text(proxy_field<&ProxyHeaderRecord::server_address>);
  t[variable("proxy_protocol_server_port")] = raw(proxy_port<&ProxyHeaderRecord::server_port>);
  t[variable("proxy_protocol_tlv_alpn")] = text(proxy_field<&ProxyHeaderRecord::alpn>);
  t[variable("proxy_protocol_tlv_authority")] = text(proxy_field<&ProxyHeaderRecord::authority>);
  t[variable("proxy_protocol_tlv_unique_id")] = text(proxy_field<&ProxyHeaderRecord::unique_id>);
  t[variable("proxy_protocol_tlv_ssl_version")] = text(proxy_field<&ProxyHeaderRecord::tls_version>);
  t[variable("proxy_protocol_tlv_ssl_cn")] = text(proxy_field<&ProxyHeaderRecord::tls_common_name>);
  t[variable("proxy_protocol_tlv_ssl_cipher")] = text(proxy_field<&ProxyHeaderRecord::tls_cipher>);
  t[variable("proxy_protocol_tlv_ssl_verify")] = text(proxy_field<&ProxyHeaderRecord::tls_verify>);
  return t;
}();

}  // namespace

const LogReader* log_reader(VariableId id, bool of_stream) noexcept {
  const LogReader& reader = kReaders[id];
  const bool some = reader.text != nullptr || reader.raw != nullptr || id == variable("request");
  return some && (of_stream || !reader.of_streams) ? &reader : nullptr;
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
