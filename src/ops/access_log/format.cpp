#include "ops/access_log/format.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/absent_variables.h"
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
                                               "server_port",
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
constexpr std::size_t kValueLimit = 2048;  // a longer value is cut when the line does not fit

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
  if (r.method.empty() && r.target.empty()) {
    put_text(out, r.unread_line, escape);
    return !r.unread_line.empty();
  }
  put_text(out, r.method, escape);
  out.put(' ');
  put_text(out, r.target, escape);
  out.put(r.major == 2   ? std::string_view(" HTTP/2.0")
          : r.minor == 0 ? std::string_view(" HTTP/1.0")
                         : std::string_view(" HTTP/1.1"));
  return true;
}

bool put_variable(LineWriter& out, VariableId id, const LogReader& reader, const LogContext& context, LogEscape escape,
                  std::size_t limit) noexcept {
  if (id == variable("request")) return put_request(out, context.record, escape);
  if (reader.raw != nullptr) return reader.raw(context, out);
  std::string_view value;
  if (!reader.text(context, value)) return false;
  put_text(out, value.substr(0, limit), escape);
  return true;
}

}  // namespace

std::shared_ptr<const LogFormat> LogFormat::compile(const AccessLogSettings& settings) {
  return make(settings, settings.format.empty() ? kDefaultLogFormat : std::string_view(settings.format), kJsonMembers,
              false);
}

std::shared_ptr<const LogFormat> LogFormat::compile_stream(const AccessLogSettings& settings) {
  return make(settings,
              settings.stream_format.empty() ? kDefaultStreamFormat : std::string_view(settings.stream_format),
              kStreamMembers, true);
}

void LogFormat::add_text(std::string_view text) {
  if (text.empty()) return;
  const auto size = static_cast<std::uint32_t>(text.size());
  if (!ops_.empty() && ops_.back().variable == kLiteral)
    ops_.back().size += size;
  else
    ops_.push_back({nullptr, kLiteral, static_cast<std::uint32_t>(text_.size()), size});
  for (const char c : text) text_ += c == '\n' ? ' ' : c;  // one line a request, whatever the format says
}

void LogFormat::add_absent(const std::string& name, const std::string& why) {
  if (escape_ == LogEscape::nginx) add_text("-");
  auto problem = "variable $" + name + " " + why + ", it is written as an absent value";
  if (std::ranges::find(problems_, problem) == problems_.end()) problems_.push_back(std::move(problem));
}

void LogFormat::add_variable(Variable named, bool of_stream) {
  const auto& row = kVariables[named.id];
  const auto name = [&] { return std::string(row.name).append(named.of); };
  if (named.id == variable("literal_dollar")) return add_text("$");
  if (row.when == VariableRow::When::never) {
    if (escape_ == LogEscape::nginx) add_text("-");
    return;
  }
  if (const LogReader* reader = log_reader(named.id, of_stream)) {
    ops_.push_back({reader, named.id, 0, 0});
    return;
  }
  if (of_stream) return add_absent(name(), "is not known of a connection that is passed through");
  const auto same =
      std::ranges::find_if(of, [&](const Variable& v) { return v.id == named.id && iequals(v.of, named.of); });
  const auto number = static_cast<std::uint32_t>(same - of.begin());
  if (number == kMost)
    return add_absent(name(), "is one of more than " + std::to_string(kMost) + " that a line may ask for beside");
  ops_.push_back({nullptr, named.id, number, 0});
  if (same != of.end()) return;
  of.push_back(named);
  of_pod = of_pod || named.id == variable("upstream_http_");
  of_answer = of_answer || named.id == variable("sent_http_");
}

std::shared_ptr<const LogFormat> LogFormat::make(const AccessLogSettings& settings, std::string_view format,
                                                 std::span<const std::string_view> members, bool of_stream) {
  auto out = std::make_shared<LogFormat>();
  if (settings.json) {
    out->json_ = true;
    out->escape_ = LogEscape::json;
    std::string before = "{";
    for (const std::string_view name : members) {
      out->add_text(before + '"' + std::string(name) + "\":");
      out->add_variable(find_variable(name), of_stream);
      before = ",";
    }
    out->add_text("}");
    return out;
  }
  out->escape_ = settings.escape;
  out->source_ = Template(format);
  for (const auto& part : out->source_.parts()) {
    const auto text = out->source_.text_of(part);
    const bool family = kVariables[part.variable].name.ends_with('_');
    if (part.variable == kLiteral)
      out->add_text(text);
    else if (const auto because = absent_because(text); part.variable == kUnknown && !because.empty())
      out->add_absent(std::string(text), "has never a value here (" + std::string(because) + ")");
    else if (part.variable == kGroup || part.variable == kUnknown)
      out->add_absent(std::string(text), "is not known");
    else
      out->add_variable({part.variable, family ? text : std::string_view()}, of_stream);
  }
  return out;
}

std::size_t LogFormat::write(const ExchangeRecord& record, LogTimes& times, char* begin,
                             std::size_t capacity) const noexcept {
  times.update(record.wall_ms / 1000);
  const LogContext context{record, times, json_};
  const bool given = record.wanted == this;
  // All values of a line but a few are short; the long ones are cut when all of it does not fit.
  for (const std::size_t limit : {std::string_view::npos, kValueLimit, std::size_t{64}}) {
    LineWriter out(begin, begin + capacity - 1);
    for (const Op& op : ops_) {
      if (op.variable == kLiteral) {
        out.put(std::string_view(text_).substr(op.begin, op.size));
        continue;
      }
      if (op.reader == nullptr) {
        const std::string_view value = given ? record.values[op.begin] : std::string_view();
        if (value.data() == nullptr && escape_ == LogEscape::nginx) out.put('-');
        put_text(out, value.substr(0, limit), escape_);
        continue;
      }
      const LogReader& reader = *op.reader;
      if (!json_) {
        char* const before = out.at();
        if (!put_variable(out, op.variable, reader, context, escape_, limit) && escape_ == LogEscape::nginx) {
          out.back_to(before);
          out.put('-');
        }
        continue;
      }
      const bool quoted = !reader.number;
      if (quoted) out.put('"');
      put_variable(out, op.variable, reader, context, escape_, limit);
      if (quoted) out.put('"');
    }
    if (out.full() && limit != 64) continue;
    *out.at() = '\n';
    return out.size() + 1;
  }
  return 0;
}

}  // namespace sluice::ops
