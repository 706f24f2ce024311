#include "ops/access_log/format.h"

#include <algorithm>
#include <cstring>
#include <ctime>
#include <utility>

#include "base/strings.h"
#include "ops/access_log/variables.h"

namespace sluice::ops {

const std::string_view kDefaultLogFormat =
    R"($remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" )"
    R"($request_length $request_time [$proxy_upstream_name] [$proxy_alternative_upstream_name] $upstream_addr )"
    R"($upstream_response_length $upstream_response_time $upstream_status $req_id)";
const std::string_view kDefaultStreamFormat =
    "[$remote_addr] [$time_local] $protocol $status $bytes_sent $bytes_received $session_time";

namespace {

// The members of a JSON line, in order.
constexpr std::string_view kJsonMembers[] = {"time_iso8601",
                                             "msec",
                                             "remote_addr",
                                             "remote_port",
                                             "request_method",
                                             "request_uri",
                                             "server_protocol",
                                             "http_host",
                                             "status",
                                             "body_bytes_sent",
                                             "bytes_sent",
                                             "request_length",
                                             "request_time",
                                             "http_referer",
                                             "http_user_agent",
                                             "scheme",
                                             "ssl_protocol",
                                             "ssl_cipher",
                                             "ssl_server_name",
                                             "server_name",
                                             "namespace",
                                             "ingress_name",
                                             "service_name",
                                             "service_port",
                                             "location_path",
                                             "proxy_upstream_name",
                                             "upstream_addr",
                                             "upstream_response_length",
                                             "upstream_connect_time",
                                             "upstream_header_time",
                                             "upstream_response_time",
                                             "upstream_status",
                                             "failure_reason",
                                             "req_id"};
// And for a connection that was passed through.
constexpr std::string_view kStreamMembers[] = {"time_iso8601",
                                               "msec",
                                               "remote_addr",
                                               "remote_port",
                                               "protocol",
                                               "status",
                                               "bytes_sent",
                                               "bytes_received",
                                               "session_time",
                                               "ssl_preread_server_name",
                                               "namespace",
                                               "ingress_name",
                                               "service_name",
                                               "service_port",
                                               "proxy_upstream_name",
                                               "upstream_addr",
                                               "upstream_connect_time",
                                               "failure_reason"};
constexpr std::size_t kJsonValueLimit = 2048;  // a longer value is cut when the line does not fit

std::uint16_t find_variable(std::string_view name) {
  std::size_t count = 0;
  const LogVariable* rows = log_variables(count);
  for (std::size_t i = 1; i < count; ++i)
    if (rows[i].name == name) return static_cast<std::uint16_t>(i);
  return 0;
}

void put_text(LineWriter& out, std::string_view s, LogEscape escape) noexcept {
  switch (escape) {
    case LogEscape::nginx:
      return put_escaped_nginx(out, s);
    case LogEscape::json:
      return put_escaped_json(out, s);
    case LogEscape::none:
      return out.put(s);
  }
}

// "GET /path HTTP/1.1"
bool put_request(LineWriter& out, const ExchangeRecord& r, LogEscape escape) noexcept {
  if (r.method.empty() && r.target.empty()) return false;
  put_text(out, r.method, escape);
  out.put(' ');
  put_text(out, r.target, escape);
  out.put(r.major == 2   ? std::string_view(" HTTP/2.0")
          : r.minor == 0 ? std::string_view(" HTTP/1.0")
                         : std::string_view(" HTTP/1.1"));
  return true;
}

bool put_variable(LineWriter& out, const LogVariable& variable, bool request, const LogContext& context,
                  LogEscape escape, std::size_t limit) noexcept {
  if (variable.raw != nullptr) return variable.raw(context, out);
  if (request) return put_request(out, context.record, escape);
  std::string_view value;
  if (variable.text == nullptr || !variable.text(context, value)) return false;
  put_text(out, value.substr(0, limit), escape);
  return true;
}

bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

}  // namespace

void LogTimes::update(std::int64_t unix_seconds) noexcept {
  if (unix_seconds == second) return;
  second = unix_seconds;
  const auto seconds = static_cast<std::time_t>(unix_seconds);
  std::tm tm{};
  ::localtime_r(&seconds, &tm);
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const long minutes = tm.tm_gmtoff / 60, distance = minutes < 0 ? -minutes : minutes;
  const char sign = minutes < 0 ? '-' : '+';
  const auto put = [](char*& at, long value, int digits) {
    for (int i = digits; i-- > 0; value /= 10) at[i] = static_cast<char>('0' + value % 10);
    at += digits;
  };
  char* at = local;
  put(at, tm.tm_mday, 2);
  *at++ = '/';
  std::memcpy(at, kMonths[tm.tm_mon % 12], 3);
  at += 3;
  *at++ = '/';
  put(at, tm.tm_year + 1900, 4);
  for (int part : {tm.tm_hour, tm.tm_min, tm.tm_sec}) {
    *at++ = ':';
    put(at, part, 2);
  }
  *at++ = ' ';
  *at++ = sign;
  put(at, distance / 60 * 100 + distance % 60, 4);
  local_size = static_cast<std::uint8_t>(at - local);

  at = iso8601;
  put(at, tm.tm_year + 1900, 4);
  for (int part : {tm.tm_mon + 1, tm.tm_mday}) {
    *at++ = '-';
    put(at, part, 2);
  }
  char between = 'T';
  for (int part : {tm.tm_hour, tm.tm_min, tm.tm_sec}) {
    *at++ = std::exchange(between, ':');
    put(at, part, 2);
  }
  *at++ = sign;
  put(at, distance / 60, 2);
  *at++ = ':';
  put(at, distance % 60, 2);
  iso8601_size = static_cast<std::uint8_t>(at - iso8601);
}

std::shared_ptr<const LogFormat> LogFormat::compile(const AccessLogSettings& settings) {
  return make(settings, settings.format.empty() ? kDefaultLogFormat : std::string_view(settings.format), kJsonMembers);
}

std::shared_ptr<const LogFormat> LogFormat::compile_stream(const AccessLogSettings& settings) {
  return make(settings,
              settings.stream_format.empty() ? kDefaultStreamFormat : std::string_view(settings.stream_format),
              kStreamMembers);
}

std::shared_ptr<const LogFormat> LogFormat::make(const AccessLogSettings& settings, std::string_view rest,
                                                 std::span<const std::string_view> members) {
  auto out = std::make_shared<LogFormat>();
  const auto literal = [&](std::string_view s) {
    if (s.empty()) return;
    out->ops_.push_back({0, static_cast<std::uint32_t>(out->text_.size()), static_cast<std::uint32_t>(s.size())});
    out->text_ += s;
  };
  if (settings.json) {
    out->json_ = true;
    out->escape_ = LogEscape::json;
    std::string before = "{";
    for (std::string_view name : members) {
      literal(before + '"' + std::string(name) + "\":");
      out->ops_.push_back({find_variable(name), 0, 0});
      before = ",";
    }
    literal("}");
    return out;
  }

  out->escape_ = settings.escape;
  std::string pending;
  while (!rest.empty()) {
    const auto dollar = rest.find('$');
    pending += rest.substr(0, dollar);
    if (dollar == std::string_view::npos) break;
    rest.remove_prefix(dollar + 1);
    // $name or ${name}; a dollar sign before anything else is itself.
    const bool braced = rest.starts_with('{');
    std::size_t size = 0;
    const std::string_view from = rest.substr(braced ? 1 : 0);
    while (size < from.size() && is_name(from[size])) ++size;
    if (size == 0 || (braced && (size == from.size() || from[size] != '}'))) {
      pending += '$';
      continue;
    }
    const std::string_view name = from.substr(0, size);
    rest = from.substr(size + (braced ? 1 : 0));
    if (const std::uint16_t row = find_variable(name)) {
      literal(std::exchange(pending, {}));
      out->ops_.push_back({row, 0, 0});
    } else {
      pending += settings.escape == LogEscape::nginx ? "-" : "";
      if (std::ranges::find(out->unknown_, name) == out->unknown_.end()) out->unknown_.emplace_back(name);
    }
  }
  // One line a request, whatever the format says.
  for (char& c : pending) c = c == '\n' ? ' ' : c;
  literal(pending);
  for (char& c : out->text_) c = c == '\n' ? ' ' : c;
  return out;
}

std::size_t LogFormat::write(const ExchangeRecord& record, LogTimes& times, char* begin,
                             std::size_t capacity) const noexcept {
  times.update(record.wall_ms / 1000);
  std::size_t count = 0;
  const LogVariable* rows = log_variables(count);
  static const std::uint16_t request_row = find_variable("request");
  const LogContext context{record, times, json_};
  // All members of a JSON line but five or so are short; these are cut first when all of it does not fit.
  for (const std::size_t limit :
       {std::string_view::npos, json_ ? kJsonValueLimit : std::string_view::npos, std::size_t{64}}) {
    LineWriter out(begin, begin + capacity - 1);
    for (const Op& op : ops_) {
      if (op.variable == 0) {
        out.put(std::string_view(text_).substr(op.begin, op.size));
        continue;
      }
      const LogVariable& variable = rows[op.variable];
      const bool request = op.variable == request_row;
      if (!json_) {
        char* const before = out.at();
        if (!put_variable(out, variable, request, context, escape_, limit) && escape_ == LogEscape::nginx) {
          out.back_to(before);
          out.put('-');
        }
        continue;
      }
      const bool quoted = !variable.number;
      if (quoted) out.put('"');
      put_variable(out, variable, request, context, escape_, limit);
      if (quoted) out.put('"');
    }
    if (json_ && out.full() && limit != 64) continue;
    *out.at() = '\n';
    return out.size() + 1;
  }
  return 0;
}

std::vector<std::string> LogFormat::variables() {
  std::size_t count = 0;
  const LogVariable* rows = log_variables(count);
  std::vector<std::string> names;
  for (std::size_t i = 1; i < count; ++i) names.emplace_back(rows[i].name);
  std::ranges::sort(names);
  return names;
}

}  // namespace sluice::ops
