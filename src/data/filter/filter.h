#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "data/proxy/exchange.h"

// Request filters: each looks at a matched request and may answer it. Their order is data, with its reason beside it
// (order.cpp). They decide; they never write, wait or keep state.
namespace sluice::data {

// An answer of our own. `location`: for redirects. Bodies are made in proxy/local_reply.cpp.
struct LocalReply {
  std::uint16_t status = 0;
  std::string location;
  const char* reason = "";  // for logs and explain: why this was answered here
};

struct Filter {
  std::string_view name;
  std::optional<LocalReply> (*request)(Exchange& ex);
  std::string_view why_here;
};

// In the order in which they run.
std::span<const Filter> filters();
// Runs them until one answers.
std::optional<LocalReply> run_filters(Exchange& ex);

// The https redirect as a pure decision, for the filter and for `sluice explain`: the Location, or nothing.
struct HttpsRedirect {
  bool https = false;
  std::string_view host;        // authority without port
  std::string_view path_query;  // as received
};
std::optional<std::string> https_redirect(const HttpsRedirect& request, const Route& route,
                                          const model::RouteSettings& settings, std::uint16_t port);

}  // namespace sluice::data
