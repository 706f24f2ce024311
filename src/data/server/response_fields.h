#pragma once
#include <algorithm>
#include <string>
#include <string_view>

#include "base/strings.h"
#include "data/proxy/exchange.h"
#include "data/proxy/streams.h"
#include "data/proxy/via.h"
#include "net/h1/append.h"

// Heads of responses as clients get them.
namespace sluice::data {

// Calls sink(name, value) for each field that a client gets but those that frame the message or belong to the
// connection: what the pod sent and may pass, then ours. Names and values stay valid until the thread's next call.
template <class Sink>
void for_each_response_field(const Exchange& ex, const ResponseStart& response, std::string_view date, Sink&& sink) {
  using net::http::Name;
  const auto& o = *ex.options;
  const auto hidden = [&](const net::http::Field& f) {
    for (const auto& h : o.hide_headers)
      if (iequals(h, f.name)) return true;
    return false;
  };
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
    if (!o.hide_headers.empty() && hidden(f)) continue;
    sink(f.name, f.value);
  }
  if (!dated) sink("Date", date);
  if (o.server_tokens && !pod_server) sink("Server", std::string_view("sluice"));
  if (o.via && response.from_pod) sink("Via", via(ex.memory.response.major, ex.memory.response.minor));
  if (ex.hsts) {
    static thread_local char value[96];
    std::size_t n = 0;
    const auto add = [&](std::string_view s) {
      const auto take = std::min(s.size(), sizeof value - n);
      s.copy(value + n, take);
      n += take;
    };
    add("max-age=");
    add(o.hsts_max_age);
    if (o.hsts_include_subdomains) add("; includeSubDomains");
    if (o.hsts_preload) add("; preload");
    sink("Strict-Transport-Security", std::string_view(value, n));
  }
}

using net::h1::append_field;
void append_status_line(std::string& out, int status, std::string_view reason);
// All of the head with its final empty line. `framing`: as the connection will send the body. Sets ex.close_after's
// `Connection: close`.
void append_response_head(std::string& out, const Exchange& ex, const ResponseStart& response,
                          net::http::Framing framing, std::string_view date);

}  // namespace sluice::data
