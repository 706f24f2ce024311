#include "data/exchange/variables.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>

#include "base/clock.h"
#include "base/percent.h"
#include "base/strings.h"
#include "base/time_text.h"
#include "data/exchange/basic_credentials.h"
#include "data/exchange/exchange.h"
#include "data/exchange/fields.h"
#include "data/exchange/passed_on.h"
#include "net/http/cidr.h"
#include "net/http/path.h"
#include "net/io/socket.h"
#include "net/tls/client_certificate.h"

namespace sluice::data {

namespace {

using net::http::Name;

bool fine_in_field(unsigned char c) {
  return c >= 0x20 && c != 0x7f;
}
bool fine_in_url(unsigned char c) {
  return c > 0x20 && c < 0x7f && std::string_view("\"<>\\^`{|}").find(static_cast<char>(c)) == std::string_view::npos;
}
bool fine_in_target(unsigned char c) {
  return c != '#' && fine_in_url(c);
}
// RFC 3986 section 2.3.
bool fine_in_parameter(unsigned char c) {
  return (lower(static_cast<char>(c)) >= 'a' && lower(static_cast<char>(c)) <= 'z') || (c >= '0' && c <= '9') ||
         std::string_view("-._~").find(static_cast<char>(c)) != std::string_view::npos;
}

// Where the value of one variable goes.
class Out {
 public:
  Out(Spelling spelling, std::string& out) : spelling_(spelling), out_(out) {}
  void put(std::string_view text) {
    given_ = true;
    switch (spelling_) {
      case Spelling::raw:
        out_ += text;
        return;
      case Spelling::field:
        return append_encoded(text, out_, fine_in_field);
      case Spelling::url:
        return append_encoded(text, out_, fine_in_url);
      case Spelling::target:
        return append_encoded(text, out_, fine_in_target);
      case Spelling::path:
        return net::http::append_escaped(text, out_);
      case Spelling::segment:
        return net::http::append_spelled(text, out_);
    }
  }
  std::string& text() noexcept {
    given_ = true;
    return out_;
  }
  // Something was put there, be it empty.
  bool given() const noexcept { return given_; }
  void put_number(std::uint64_t n) {
    char digits[24];
    put({digits, static_cast<std::size_t>(std::to_chars(digits, digits + sizeof digits, n).ptr - digits)});
  }

 private:
  const Spelling spelling_;
  std::string& out_;
  bool given_ = false;
};

// The values of all fields of one name, in one.
class Values {
 public:
  Values(std::string_view of, Out& out) : of_(of), out_(out), between_(iequals(of, "cookie") ? "; " : ", ") {}
  void take(const net::http::Field& field) {
    if (!names_field(of_, field.name)) return;
    if (!std::exchange(first_, false)) out_.put(between_);
    out_.put(field.value);
  }
  bool any() const noexcept { return !first_; }

 private:
  const std::string_view of_;
  Out& out_;
  const std::string_view between_;
  bool first_ = true;
};

// What the client sent, with those that are not for pods.
// `goes_on`: something stands behind them.
void put_fields(std::span<const net::http::Field> fields, std::string_view of, Out& out, bool goes_on = false) {
  Values values(of, out);
  for (const auto& field : fields)
    if (!is_ignored(field)) values.take(field);
  if (goes_on && values.any()) out.put(", ");
}

// The first that has a value, as it came; `query` without its question mark.
void put_argument(std::string_view query, std::string_view of, Out& out) {
  while (!query.empty()) {
    const auto one = query.substr(0, query.find('&'));
    if (one.size() > of.size() && one[of.size()] == '=' && iequals(one.substr(0, of.size()), of))
      return out.put(one.substr(of.size() + 1));
    query.remove_prefix(std::min(one.size() + 1, query.size()));
  }
}

void put_first(const net::http::RequestHead& head, Name name, Out& out) {
  if (const auto* field = head.find(name)) out.put(field->value);
}

void put_host(const RequestView& request, Out& out) {
  auto host = request.received.host;
  if (host.empty() && request.route != nullptr) host = request.route->host;
  if (host.ends_with('.')) host.remove_suffix(1);
  std::array<char, 64> part;
  while (!host.empty()) {
    const auto size = std::min(host.size(), part.size());
    std::transform(host.begin(), host.begin() + static_cast<std::ptrdiff_t>(size), part.begin(),
                   [](char c) { return lower(c); });
    out.put({part.data(), size});
    host.remove_prefix(size);
  }
}

std::string_view protocol(const net::http::RequestHead& head) noexcept {
  return head.major == 2 ? "HTTP/2.0" : head.minor == 0 ? "HTTP/1.0" : "HTTP/1.1";
}

// What the pod sent, whether or not it is passed on.
void put_pod_fields(const ResponseFields* fields, std::string_view of, Out& out) {
  const auto* response = fields != nullptr ? fields->response() : nullptr;
  if (response == nullptr || !response->from_pod) return;
  Values values(of, out);
  for (const auto& field : response->fields) values.take(field);
}

// Seconds with three decimals.
void put_milliseconds(std::chrono::nanoseconds since, Out& out) {
  const auto ms = static_cast<std::uint64_t>(
      std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::milliseconds>(since).count()));
  out.put_number(ms / 1000);
  const char rest[4] = {'.', static_cast<char>('0' + ms / 100 % 10), static_cast<char>('0' + ms / 10 % 10),
                        static_cast<char>('0' + ms % 10)};
  out.put({rest, sizeof rest});
}

// Those of a pod's answer: a value for each attempt, with what nginx writes between them.
template <class Put>
void put_attempts(const RequestView& request, Out& out, Put&& put) {
  const auto* const record = request.so_far;
  if (record == nullptr) return;
  for (int i = 0; i < record->attempts; ++i) {
    const Attempt& attempt = record->attempt[i];
    if (i > 0) out.put(attempt.elsewhere ? " : " : ", ");
    put(attempt);
  }
}
// Nothing of the kind was: -1.
void put_seconds(float seconds, Out& out) {
  if (seconds < 0) return out.put("-");
  // A float a hair below its millisecond still means that millisecond.
  put_milliseconds(std::chrono::milliseconds(static_cast<std::int64_t>(static_cast<double>(seconds) * 1000 + 0.001)),
                   out);
}

// As it is now, of this second.
LogTimes times_now() noexcept {
  LogTimes times;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  times.update(std::chrono::duration_cast<std::chrono::seconds>(now).count());
  return times;
}

// A system call: for whoever names it.
void put_tcp_info(int fd, VariableId which, Out& out) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (fd < 0 || ::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return;
  out.put_number(which == variable("tcpinfo_rtt")        ? info.tcpi_rtt
                 : which == variable("tcpinfo_rttvar")   ? info.tcpi_rttvar
                 : which == variable("tcpinfo_snd_cwnd") ? info.tcpi_snd_cwnd
                                                         : info.tcpi_rcv_space);
}

// What the client will get, as far as it is known by now.
void put_sent_fields(const ResponseFields* fields, std::string_view of, Out& out) {
  const auto* response = fields != nullptr ? fields->response() : nullptr;
  if (response == nullptr) return;
  Values values(of, out);
  for (const auto& field : response->fields)
    if (is_passed_on(field, response->options, response->from_pod) || (field.id == Name::content_length && !field.drop))
      values.take(field);
  for (const auto& field : fields->ours())
    if (!field.drop) values.take(field);
}

// Of what the client showed, where its host asks for that.
void put_certificate(const RequestView& request, Variable named, Out& out) {
  const auto* const shown = shown_certificate(request);
  if (shown == nullptr) {
    if (named.id == variable("ssl_client_verify") && request.from != nullptr && request.from->tls) out.put("NONE");
    return;
  }
  switch (named.id) {
    case variable("ssl_client_verify"):
      return out.put(shown->verify());
    case variable("ssl_client_s_dn"):
      return out.put(shown->subject());
    case variable("ssl_client_i_dn"):
      return out.put(shown->issuer());
    case variable("ssl_client_serial"):
      return out.put(shown->serial());
    case variable("ssl_client_fingerprint"):
      return out.put(shown->fingerprint());
    case variable("ssl_client_v_start"):
      return out.put(shown->not_before());
    case variable("ssl_client_v_end"):
      return out.put(shown->not_after());
    case variable("ssl_client_escaped_cert"):
      return out.put(shown->escaped());
    default:
      if (!shown->not_after().empty()) out.put_number(static_cast<std::uint64_t>(shown->days_left()));
  }
}

// Of the machine, or the pod, as gethostname() has it when it is first asked for.
std::string_view host_of_ours() {
  static const std::string name = [] {
    std::array<char, 256> text{};
    return std::string(::gethostname(text.data(), text.size() - 1) == 0 ? text.data() : "");
  }();
  return name;
}

// $uri: the path as it is by now, decoded, as nginx has it.
void put_path(const RequestView& request, Out& out) {
  if (request.path.empty()) return;  // the head could not be read
  const bool stopped = request.program != nullptr && request.program->stopped;
  if (!request.past_rewrites || request.route == nullptr || !request.route->settings->rewrite || stopped) [[likely]]
    return out.put(request.path);
  RequestView before(request);  // which the target itself may name
  before.past_rewrites = false;
  Regex::Captures groups{};
  const auto* const pattern = request.route->pattern;
  // Where it gives up it does so for the target, too (proxy/edit.cpp): this is said of the 500 that answers then.
  if (pattern != nullptr && pattern->match(request.path, &groups) != Regex::Outcome::yes) return out.put(request.path);
  const Template& target = request.route->settings->rewrite->target;
  std::string text;
  for (const auto& part : target.parts()) {
    const auto of = target.text_of(part);
    if (part.variable == kGroup) {
      text += groups[static_cast<std::size_t>(of[0] - '0')];
    } else if (part.variable != kLiteral) {
      append_value(before, {part.variable, of}, Spelling::raw, text);
    } else {
      const auto query = of.find('?');
      text += of.substr(0, query);
      if (query != std::string_view::npos) break;
    }
  }
  out.put(text);
}

void put_value(const RequestView& request, Variable named, Out& out, const ResponseFields* fields) {
  const auto& head = request.received;
  const auto& line = request.sent();  // what is asked on its behalf has none of its own
  const auto query = request.query.substr(request.query.empty() ? 0 : 1);
  const auto* proxy = request.from != nullptr ? request.from->proxy.get() : nullptr;
  const bool tls = request.from != nullptr && request.from->tls;
  const auto* spec = request.route != nullptr ? request.route->spec : nullptr;
  switch (named.id) {
    case variable("remote_addr"):
    case variable("the_real_ip"): {
      if (!request.client_known) return;
      char text[net::http::kAddressText];
      return out.put(net::http::format_address(request.client.data(), text));
    }
    case variable("binary_remote_addr"): {
      if (!request.client_known) return;
      const std::string_view bytes(reinterpret_cast<const char*>(request.client.data()), request.client.size());
      static constexpr std::string_view kMapped("\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);  // of IPv4
      return out.put(bytes.starts_with(kMapped) ? bytes.substr(kMapped.size()) : bytes);
    }
    case variable("realip_remote_addr"):
      if (proxy != nullptr) return out.put(proxy->sender);
      if (request.from != nullptr) out.put(request.from->address);
      return;
    case variable("remote_port"):
      if (request.from != nullptr) out.put_number(request.from->port);
      return;
    case variable("realip_remote_port"):  // nobody keeps what the sender of a PROXY header came from
      if (request.from != nullptr && proxy == nullptr) out.put_number(request.from->port);
      return;
    case variable("connection"):
      if (request.from != nullptr) out.put_number(request.from->number);
      return;
    case variable("connection_requests"):
      if (request.from != nullptr) out.put_number(request.from->requests);
      return;
    case variable("connection_time"):
      if (request.from != nullptr) put_milliseconds(SystemClock().now() - request.from->begun, out);
      return;
    case variable("tcpinfo_rtt"):
    case variable("tcpinfo_rttvar"):
    case variable("tcpinfo_snd_cwnd"):
    case variable("tcpinfo_rcv_space"):
      if (request.from != nullptr) put_tcp_info(request.from->fd, named.id, out);
      return;
    case variable("remote_user"): {
      std::array<char, kMostCredentials> room;
      if (const auto given = given_by(head, room)) out.put(given->name);
      return;
    }
    case variable("proxy_protocol_addr"):
      if (proxy != nullptr) out.put(proxy->address);
      return;
    case variable("proxy_protocol_server_addr"):
      if (proxy != nullptr) out.put(proxy->server_address);
      return;
    case variable("proxy_protocol_port"):
      if (proxy != nullptr && !proxy->address.empty()) out.put_number(proxy->port);
      return;
    case variable("proxy_protocol_server_port"):
      if (proxy != nullptr && !proxy->address.empty()) out.put_number(proxy->server_port);
      return;
    case variable("server_addr"):
      if (proxy != nullptr && !proxy->server_address.empty()) return out.put(proxy->server_address);
      if (request.from != nullptr && request.from->fd >= 0) out.put(net::local_address(request.from->fd).address());
      return;
    case variable("server_port"):
      if (request.from != nullptr) out.put_number(request.from->local_port);
      return;
    case variable("pass_server_port"):
      if (request.from == nullptr) return;
      return out.put_number(request.from->proxied_port() != 0 ? request.from->proxied_port()
                                                              : request.from->local_port);
    case variable("pass_port"):
      return out.put(request.port_text);
    case variable("scheme"):
      return out.put(tls ? "https" : "http");
    case variable("https"):
      return out.put(tls ? "on" : "");
    case variable("pass_access_scheme"):
      return out.put(request.scheme);
    case variable("ssl_protocol"):
      if (request.so_far != nullptr) out.put(request.so_far->tls_protocol);
      return;
    case variable("ssl_cipher"):
      if (request.so_far != nullptr) out.put(request.so_far->tls_cipher);
      return;
    case variable("ssl_server_name"):
      if (request.so_far != nullptr) out.put(request.so_far->server_name);
      return;
    case variable("ssl_session_reused"):
      if (tls) out.put(request.from->resumed ? "r" : ".");
      return;
    case variable("ssl_alpn_protocol"):
      if (request.from != nullptr && !request.from->alpn.empty()) out.put(request.from->alpn);
      return;
    case variable("ssl_client_verify"):
    case variable("ssl_client_s_dn"):
    case variable("ssl_client_i_dn"):
    case variable("ssl_client_serial"):
    case variable("ssl_client_fingerprint"):
    case variable("ssl_client_v_start"):
    case variable("ssl_client_v_end"):
    case variable("ssl_client_v_remain"):
    case variable("ssl_client_escaped_cert"):
      return put_certificate(request, named, out);
    case variable("request"):
      if (line.method_text.empty()) return;  // the head could not be read
      out.put(line.method_text);
      out.put(" ");
      out.put(line.target);
      out.put(" ");
      return out.put(protocol(head));
    case variable("request_method"):
      return out.put((request.main == nullptr ? head : line).method_text);
    case variable("request_uri"):
      return out.put(line.path_query);
    case variable("escaped_request_uri"): {
      // Whatever the spelling: it is one already, and stands in the query of another URL.
      auto& text = out.text();
      return append_encoded(line.path_query, text, fine_in_parameter);
    }
    case variable("uri"):
    case variable("document_uri"):
      return put_path(request, out);
    case variable("fastcgi_script_name"):
      return request.script.empty() ? put_path(request, out) : out.put(request.script);
    case variable("request_filename"):
      out.put(model::kNginxRoot);
      return put_path(request, out);
    case variable("document_root"):
    case variable("realpath_root"):
      return out.put(model::kNginxRoot);
    case variable("args"):
    case variable("query_string"):
      if (!query.empty()) out.put(query);
      return;
    case variable("is_args"):
      return out.put(query.empty() ? "" : "?");
    case variable("server_protocol"):
      return out.put(protocol(head));
    case variable("http2"):
      return out.put(head.major != 2 ? "" : tls ? "h2" : "h2c");
    case variable("pipe"):
      return out.put(".");
    case variable("host"):
      return put_host(request, out);
    case variable("best_http_host"):
      return out.put(request.host_header.empty() ? head.authority : request.host_header);
    case variable("http_host"):
      return out.put(head.authority);
    case variable("http_referer"):
      return put_first(head, Name::referer, out);
    case variable("http_user_agent"):
      return put_first(head, Name::user_agent, out);
    case variable("content_type"):
      return put_first(head, Name::content_type, out);
    case variable("content_length"):
      if (!request.body_length.empty()) return out.put(request.body_length);
      return put_first(line, Name::content_length, out);
    case variable("req_id"):
    case variable("request_id"):
      return out.put(request.request_id);
    case variable("http_"):
      return put_fields(head.fields.all(), named.of, out);
    case variable("cookie_"):
      if (const auto value = cookie(head.fields.all(), named.of)) out.put(*value);
      return;
    case variable("arg_"):
      return put_argument(query, named.of, out);
    case variable("server_name"):
      if (request.route != nullptr) out.put(request.route->host);
      return;
    case variable("namespace"):
      return out.put(spec != nullptr ? spec->ns.view() : "");
    case variable("ingress_name"):
      return out.put(spec != nullptr ? spec->ingress.view() : "");
    case variable("service_name"):
      return out.put(spec != nullptr ? spec->service.view() : "");
    case variable("service_port"):
      return out.put(spec != nullptr ? spec->service_port.view() : "");
    case variable("location_path"):
      return out.put(spec != nullptr ? spec->location.view() : "");
    case variable("proxy_upstream_name"):
    case variable("proxy_host"):
      if (spec != nullptr) out.put(spec->upstream_name.view());
      return;
    case variable("proxy_alternative_upstream_name"):
      return out.put(request.canary != nullptr ? request.canary->upstream_name.view() : "");
    case variable("upstream_http_"):
      return put_pod_fields(fields, named.of, out);
    case variable("sent_http_"):
      return put_sent_fields(fields, named.of, out);
    case variable("status"):
      if (request.program != nullptr && request.program->answering != 0)
        out.put_number(request.program->answering);
      else if (request.so_far != nullptr && request.so_far->status != 0)
        out.put_number(request.so_far->status);
      return;
    case variable("upstream_addr"):
      return put_attempts(request, out, [&](const Attempt& a) { out.put(a.address); });
    case variable("upstream_status"):
      return put_attempts(request, out, [&](const Attempt& a) {
        if (a.status == 0 && a.blameless) return out.put("-");
        out.put_number(a.status != 0 ? a.status : a.timed_out ? 504U : 502U);
      });
    case variable("upstream_header_time"):
      return put_attempts(request, out, [&](const Attempt& a) { put_seconds(a.header_seconds, out); });
    case variable("upstream_connect_time"):  // of a connection that was there before it is nothing, and not absent
      return put_attempts(request, out, [&](const Attempt& a) {
        put_seconds(a.connect_seconds < 0 && a.header_seconds >= 0 ? 0 : a.connect_seconds, out);
      });
    case variable("request_length"):
      if (request.so_far != nullptr) out.put_number(request.so_far->request_length);
      return;
    case variable("request_time"):
      return put_milliseconds(request.begun == Instant{} ? Duration{} : SystemClock().now() - request.begun, out);
    case variable("time_local"): {
      const LogTimes times = times_now();
      return out.put({times.local, times.local_size});
    }
    case variable("time_iso8601"): {
      const LogTimes times = times_now();
      return out.put({times.iso8601, times.iso8601_size});
    }
    case variable("msec"):
      return put_milliseconds(std::chrono::system_clock::now().time_since_epoch(), out);
    case variable("proxy_add_x_forwarded_for"): {
      put_fields(head.fields.all(), "x_forwarded_for", out, true);
      if (!request.client_known) return;
      char text[net::http::kAddressText];
      return out.put(net::http::format_address(request.client.data(), text));
    }
    case variable("connection_upgrade"):  // a map of ingress-nginx's configuration
      return out.put(head.find(Name::upgrade) != nullptr ? "upgrade" : "");
    case kUnknown:  // what a snippet has set
      if (request.program != nullptr) out.put(request.program->value(named.of));
      return;
    case variable("pid"):
      return out.put_number(static_cast<std::uint64_t>(::getpid()));
    case variable("hostname"):
      return out.put(host_of_ours());
    case variable("nginx_version"):
      return out.put(model::kNginxVersion);
    case variable("literal_dollar"):
      return out.put("$");
    default:
      return;
  }
}

}  // namespace

bool append_value(const RequestView& request, Variable variable, Spelling spelling, std::string& out,
                  const ResponseFields* fields) {
  Out to(spelling, out);
  put_value(request, variable, to, fields);
  return to.given();
}

namespace {
// Those that are given, or what the snippets of the route matched last.
const Regex::Captures* groups_of(const RequestView& request, const Regex::Captures* given) noexcept {
  if (given != nullptr) return given;
  return request.program != nullptr ? &request.program->groups : nullptr;
}
}  // namespace

void evaluate(const Template& text, const RequestView& request, Spelling spelling, std::string& out,
              const Regex::Captures* groups, Spelling of_groups, const ResponseFields* fields) {
  for (const auto& part : text.parts()) {
    const auto of = text.text_of(part);
    if (part.variable == kLiteral)
      out += of;
    else if (part.variable != kGroup)
      append_value(request, {part.variable, of}, spelling, out, fields);
    else if (const auto* known = groups_of(request, groups))
      Out(of_groups, out).put((*known)[static_cast<std::size_t>(of[0] - '0')]);
  }
}

std::string_view field_value(const Template& text, const RequestView& request, std::string& room,
                             const Regex::Captures* groups) {
  evaluate(text, request, Spelling::field, room, groups);
  return trim(room);
}

std::string_view field_value(const Template& text, const RequestView& request, const ResponseFields& fields,
                             std::string& room) {
  evaluate(text, request, Spelling::field, room, nullptr, Spelling::field, &fields);
  return trim(room);
}

}  // namespace sluice::data
