#pragma once
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "model/options.h"

namespace sluice::app {

// A request as the command line names it: by method, URL and header lines.
struct WrittenRequest {
  std::string method, url;
  bool https = false;
  std::string authority;   // as it would stand in Host
  std::string host;        // authority without port, as written
  std::string match_host;  // lower case, without trailing dot
  std::string sni;         // the URL's host: what a client asks a certificate for
  std::uint16_t port = 0;  // the URL's; 0: that of its scheme
  std::string target;      // path and query
  std::optional<std::uint64_t> content_length;
  std::vector<std::pair<std::string, std::string>> fields;
};

// An error says what was expected.
std::expected<WrittenRequest, std::string> read_request(std::string method, std::string url,
                                                        const std::vector<std::string>& headers);
// The fields of this name as one list.
std::string joined(const WrittenRequest& request, std::string_view name);
// What a connection says of its head before any route is looked for: the reader of heads is asked.
Status read_head(const WrittenRequest& request, const model::Options& options);

}  // namespace sluice::app
