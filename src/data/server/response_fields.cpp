#include "data/server/response_fields.h"

#include <charconv>

namespace sluice::data {

using net::http::Framing;
using net::http::Name;

namespace {

void append_number(std::string& out, std::uint64_t n) {
  char digits[24];
  out.append(digits, static_cast<std::size_t>(std::to_chars(digits, digits + sizeof digits, n).ptr - digits));
}

bool hidden(const model::Options& o, const net::http::Field& f) {
  for (const auto& h : o.hide_headers)
    if (iequals(h, f.name)) return true;
  return false;
}

}  // namespace

void append_status_line(std::string& out, int status, std::string_view reason) {
  out.append("HTTP/1.1 ");
  append_number(out, static_cast<std::uint64_t>(status));
  out += ' ';
  out.append(reason);
  out.append("\r\n", 2);
}

void append_response_head(std::string& out, const Exchange& ex, const ResponseStart& response, Framing framing,
                          std::string_view date) {
  const auto& o = *ex.options;
  append_status_line(out, response.status, response.reason);
  bool dated = false;
  const bool pod_server = response.from_pod && o.allow_backend_server_header && o.server_tokens;
  for (const auto& f : response.fields) {
    if (f.drop) continue;
    switch (f.id) {
      case Name::content_length:
      case Name::transfer_encoding:
      case Name::connection:
      case Name::keep_alive:
      case Name::upgrade:
      case Name::proxy_connection:
      case Name::x_accel:
        continue;
      case Name::server:
        if (!pod_server) continue;
        break;
      case Name::strict_transport_security:
        if (ex.hsts) continue;
        break;
      case Name::date:
        dated = true;
        break;
      default:
        break;
    }
    if (!o.hide_headers.empty() && hidden(o, f)) continue;
    append_field(out, f.name, f.value);
  }
  if (!dated) append_field(out, "Date", date);
  if (o.server_tokens && !pod_server) append_field(out, "Server", "sluice");
  if (o.via && response.from_pod) append_field(out, "Via", "1.1 sluice");
  if (ex.hsts) {
    out.append("Strict-Transport-Security: max-age=");
    out.append(o.hsts_max_age);
    if (o.hsts_include_subdomains) out.append("; includeSubDomains");
    if (o.hsts_preload) out.append("; preload");
    out.append("\r\n", 2);
  }
  if (response.status == 101) {
    append_field(out, "Connection", "upgrade");
    if (const auto* upgrade = ex.memory.response.fields.find(Name::upgrade))
      append_field(out, "Upgrade", upgrade->value);
    out.append("\r\n", 2);
    return;
  }
  if (framing == Framing::length) {
    out.append("Content-Length: ");
    append_number(out, response.content_length);
    out.append("\r\n", 2);
  } else if (framing == Framing::chunked) {
    out.append("Transfer-Encoding: chunked\r\n");
  } else if (framing == Framing::none && response.status != 204) {
    // To HEAD, and with 304, the length that a GET would have had.
    for (const auto& f : response.fields)
      if (f.id == Name::content_length) append_field(out, "Content-Length", f.value);
  }
  if (ex.close_after)
    out.append("Connection: close\r\n");
  else if (ex.head().minor == 0)
    out.append("Connection: keep-alive\r\n");
  out.append("\r\n", 2);
}

}  // namespace sluice::data
