#pragma once
#include <string>
#include <string_view>

#include "data/proxy/exchange.h"
#include "data/proxy/streams.h"
#include "net/h1/append.h"

// Heads of HTTP/1.x responses as clients get them.
namespace sluice::data {

using net::h1::append_field;
void append_status_line(std::string& out, int status, std::string_view reason);
// All of the head with its final empty line. `framing`: as the connection will send the body. Sets ex.close_after's
// `Connection: close`.
void append_response_head(std::string& out, const Exchange& ex, const ResponseStart& response,
                          net::http::Framing framing, std::string_view date);

}  // namespace sluice::data
