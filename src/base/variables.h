#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// The variables of nginx and ingress-nginx, and the texts that name them. One table for all users: redirects, rewrites,
// fields and what lines of the access log want are evaluated by data/filter/variables.h; ops/access_log/ reads what the
// record of an exchange holds already, and what only its end knows.
namespace sluice {

struct VariableRow {
  enum class When : std::uint8_t {
    request,   // there is a value as soon as the head of a request is, and at any moment behind that
    response,  // only once a head of a response is there; empty before
    end,       // only in the access log; empty before
    never,     // known to ingress-nginx, and always absent here
  };
  std::string_view name;  // without the dollar sign; one that ends in '_' is a family: any name behind it belongs to it
  When when = When::request;
};

// A row of it. Names of families stand behind the names that begin like them.
using VariableId = std::uint8_t;
inline constexpr VariableRow kVariables[] = {
    {""},   // kLiteral
    {""},   // kGroup
    {"$"},  // kUnknown: no name is it
    // the client
    {"remote_addr"},
    {"binary_remote_addr"},
    {"the_real_ip"},
    {"realip_remote_addr"},
    {"remote_port"},
    {"realip_remote_port"},
    {"connection"},
    {"connection_requests"},
    {"connection_time"},
    {"tcpinfo_rtt"},
    {"tcpinfo_rttvar"},
    {"tcpinfo_snd_cwnd"},
    {"tcpinfo_rcv_space"},
    {"remote_user"},
    {"proxy_protocol_addr"},
    {"proxy_protocol_port"},
    {"proxy_protocol_server_addr"},
    {"proxy_protocol_server_port"},
    {"proxy_protocol_tlv_alpn", VariableRow::When::end},
    {"proxy_protocol_tlv_authority", VariableRow::When::end},
    {"proxy_protocol_tlv_unique_id", VariableRow::When::end},
    {"proxy_protocol_tlv_ssl_version", VariableRow::When::end},
    {"proxy_protocol_tlv_ssl_cn", VariableRow::When::end},
    {"proxy_protocol_tlv_ssl_cipher", VariableRow::When::end},
    {"proxy_protocol_tlv_ssl_verify", VariableRow::When::end},
    {"server_addr"},
    {"server_port"},
    {"pass_server_port"},
    {"pass_port"},
    {"scheme"},
    {"https"},
    {"pass_access_scheme"},
    {"ssl_protocol"},
    {"ssl_cipher"},
    {"ssl_server_name"},
    {"ssl_session_reused"},
    {"ssl_alpn_protocol"},
    {"ssl_client_verify"},
    {"ssl_client_s_dn"},
    {"ssl_client_i_dn"},
    {"ssl_client_serial"},
    {"ssl_client_fingerprint"},
    {"ssl_client_v_start"},
    {"ssl_client_v_end"},
    {"ssl_client_v_remain"},
    {"ssl_client_escaped_cert"},
    {"proxy_add_x_forwarded_for"},
    {"connection_upgrade"},
    {"geoip2_city_country_code", VariableRow::When::never},
    // the request
    {"request"},
    {"request_method"},
    {"request_uri"},
    {"escaped_request_uri"},
    {"uri"},
    {"document_uri"},
    {"fastcgi_script_name"},
    {"fastcgi_path_info"},
    {"request_filename"},
    {"document_root"},
    {"realpath_root"},
    {"args"},
    {"query_string"},
    {"is_args"},
    {"server_protocol"},
    {"http2"},
    {"pipe"},
    {"host"},
    {"best_http_host"},
    {"http_host"},
    {"http_referer"},
    {"http_user_agent"},
    {"content_type"},
    {"content_length"},
    {"req_id"},
    {"request_id"},
    {"request_length"},
    {"request_time"},
    {"http_"},
    {"cookie_"},
    {"arg_"},
    // the route
    {"server_name"},
    {"namespace"},
    {"ingress_name"},
    {"service_name"},
    {"service_port"},
    {"location_path"},
    {"proxy_upstream_name"},
    {"proxy_host"},
    {"proxy_alternative_upstream_name"},
    // the response, and what it took
    {"sent_http_", VariableRow::When::response},
    {"upstream_http_", VariableRow::When::response},
    {"status", VariableRow::When::response},
    {"grpc_status", VariableRow::When::end},
    {"body_bytes_sent", VariableRow::When::end},
    {"bytes_sent", VariableRow::When::end},
    {"request_completion", VariableRow::When::end},
    {"upstream_addr", VariableRow::When::response},
    {"upstream_response_length", VariableRow::When::end},
    {"upstream_bytes_received", VariableRow::When::end},
    {"upstream_response_time", VariableRow::When::end},
    {"upstream_header_time", VariableRow::When::response},
    {"upstream_connect_time", VariableRow::When::response},
    {"upstream_status", VariableRow::When::response},
    {"failure_reason", VariableRow::When::end},
    // a connection that was passed through
    {"protocol", VariableRow::When::end},
    {"bytes_received", VariableRow::When::end},
    {"session_time", VariableRow::When::end},
    {"ssl_preread_server_name", VariableRow::When::end},
    // time and process
    {"msec"},
    {"time_local"},
    {"time_iso8601"},
    {"pid"},
    {"hostname"},
    {"nginx_version"},
    {"literal_dollar"},
};
inline constexpr VariableId kLiteral = 0, kGroup = 1, kUnknown = 2;

// The row of that name; it must be there.
consteval VariableId variable(std::string_view name) {
  for (std::size_t i = kUnknown + 1; i < std::size(kVariables); ++i)
    if (kVariables[i].name == name) return static_cast<VariableId>(i);
  throw "no such variable";
}

struct Variable {
  VariableId id = kUnknown;
  std::string_view of{};  // of a family: the rest of the name
};
// `name`: without the dollar sign, in any case of letters. kUnknown: there is none.
Variable find_variable(std::string_view name) noexcept;

// Is that field one of the family http_, sent_http_ or upstream_http_ with the rest `of`? Without regard to case, and
// '-' is '_', as in nginx. So are two names that programs make the same variable of.
bool names_field(std::string_view of, std::string_view field) noexcept;

// Text that names variables, `$name` or `${name}`, cut once and evaluated often. A value: equal when the texts are.
class Template {
 public:
  struct Part {
    VariableId variable = kLiteral;
    // In text(): of a literal itself, of a group its digit, of a family the rest of the name, of kUnknown the name.
    std::uint32_t begin = 0, size = 0;
  };
  Template() = default;
  Template(std::string text);  // NOLINT: a text is one
  Template(std::string_view text) : Template(std::string(text)) {}
  Template(const char* text) : Template(std::string(text)) {}

  const std::string& text() const noexcept { return text_; }
  operator std::string_view() const noexcept { return text_; }
  bool empty() const noexcept { return text_.empty(); }
  std::span<const Part> parts() const noexcept { return parts_; }
  std::string_view text_of(const Part& part) const noexcept {
    return std::string_view(text_).substr(part.begin, part.size);
  }
  bool names_variables() const noexcept;  // beside groups
  bool names_groups() const noexcept;     // $1 to $9
  // What it comes to is text(), whatever the request.
  bool is_literal() const noexcept { return !names_variables() && !names_groups(); }
  // The first variable in it that has a value only later than the others of `by`, with its dollar sign; empty: there is
  // none.
  std::string first_too_late(VariableRow::When by) const;
  // The first name in it that is no variable, with its dollar sign ("$nobody", or "$" before what is no name); empty:
  // there is none. `groups`: $1 to $9 are fine.
  std::string first_unknown(bool groups) const;

  friend bool operator==(const Template& a, const Template& b) noexcept { return a.text_ == b.text_; }

 private:
  std::string text_;
  std::vector<Part> parts_;
};

}  // namespace sluice
