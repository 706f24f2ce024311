#pragma once
#include <algorithm>
#include <span>
#include <string>
#include <string_view>

#include "data/exchange/exchange.h"
#include "data/exchange/passed_on.h"
#include "data/exchange/streams.h"
#include "data/exchange/via.h"
#include "data/plan/added_fields.h"
#include "net/h1/append.h"

// Heads of responses as clients get them.
namespace sluice::data {

// Calls sink(name, value) for each field that a client gets but those that frame the message or belong to the
// connection: what the pod sent and may pass, then ours. Names and values stay valid until the thread's next call.
template <class Sink>
void for_each_response_field(const Exchange& ex, const ResponseStart& response, std::string_view date, Sink&& sink) {
  using net::http::Name;
  const auto& o = *ex.options;
  const auto ours = added_fields(ex, response);
  // Set or dropped: then we write none.
  const auto is_ours = [&](Name name) { return std::ranges::any_of(ours, [&](auto& f) { return f.id == name; }); };
  bool dated = false;
  if (response.vary) sink("Vary", std::string_view("Accept-Encoding"));  // before the pod's, as nginx has it
  for (const auto& f : response.fields) {
    if (!is_passed_on(f, o, response.from_pod)) continue;
    dated = dated || f.id == Name::date;
    sink(f.name, f.value);
  }
  if (!response.coding.empty()) sink("Content-Encoding", response.coding);
  if (!dated) sink("Date", date);
  if (o.server_tokens && !names_pods_server(o, response.from_pod) && !is_ours(Name::server))
    sink("Server", std::string_view("sluice"));
  if (o.via && response.from_pod && !is_ours(Name::via))
    sink("Via", via(ex.memory.response.major, ex.memory.response.minor));
  for (const auto& f : ours)
    if (!f.drop) sink(f.name, f.value);
}

using net::h1::append_field;
void append_status_line(std::string& out, int status, std::string_view reason);
// All of the head with its final empty line. `framing`: as the connection will send the body. Sets ex.close_after's
// `Connection: close`.
void append_response_head(std::string& out, const Exchange& ex, const ResponseStart& response,
                          net::http::Framing framing, std::string_view date);

}  // namespace sluice::data
