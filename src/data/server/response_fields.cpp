#include "data/server/response_fields.h"

#include <charconv>

namespace sluice::data {

using std::string_view_literals::operator""sv;

using net::http::Framing;
using net::http::Name;

namespace {

void append_number(std::string& out, std::uint64_t n) {
  char digits[24];
  out.append(digits, static_cast<std::size_t>(std::to_chars(digits, digits + sizeof digits, n).ptr - digits));
}

}  // namespace

void append_status_line(std::string& out, int status, std::string_view reason) {
  out.append("HTTP/1.1 "sv);
  append_number(out, static_cast<std::uint64_t>(status));
  out += ' ';
  out.append(reason);
  out.append("\r\n"sv);
}

void append_response_head(std::string& out, const Exchange& ex, const ResponseStart& response, Framing framing,
                          std::string_view date) {
  append_status_line(out, response.status, response.reason);
  for_each_response_field(ex, response, date,
                          [&](std::string_view name, std::string_view value) { append_field(out, name, value); });
  if (response.status == 101) {
    append_field(out, "Connection", "upgrade");
    if (const auto* upgrade = ex.memory.response.fields.find(Name::upgrade))
      append_field(out, "Upgrade", upgrade->value);
    out.append("\r\n"sv);
    return;
  }
  if (framing == Framing::length) {
    out.append("Content-Length: "sv);
    append_number(out, response.content_length);
    out.append("\r\n"sv);
  } else if (framing == Framing::chunked) {
    out.append("Transfer-Encoding: chunked\r\n"sv);
  } else if (framing == Framing::none && response.status != 204) {
    // To HEAD, and with 304, the length that a GET would have had.
    for (const auto& f : response.fields)
      if (f.id == Name::content_length && !f.drop) append_field(out, "Content-Length", f.value);
  }
  std::string_view connection = ex.close_after ? "close" : ex.head().minor == 0 ? "keep-alive" : "";
  if (response.status == 426) {  // says what to upgrade to (RFC 9110 section 15.5.22)
    for (const auto& f : response.fields) {
      if (f.id != Name::upgrade) continue;
      append_field(out, "Upgrade", f.value);
      connection = ex.close_after ? "close, upgrade" : "upgrade";
    }
  }
  if (!connection.empty()) append_field(out, "Connection", connection);
  out.append("\r\n"sv);
}

}  // namespace sluice::data
