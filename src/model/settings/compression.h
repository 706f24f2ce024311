#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// What is compressed by default: the lists of ingress-nginx.
namespace sluice::model {

inline std::vector<std::string> types_for_gzip() {
  return {"application/atom+xml",
          "application/javascript",
          "application/x-javascript",
          "application/json",
          "application/rss+xml",
          "application/vnd.ms-fontobject",
          "application/x-font-ttf",
          "application/x-web-app-manifest+json",
          "application/xhtml+xml",
          "application/xml",
          "font/opentype",
          "image/svg+xml",
          "image/x-icon",
          "text/css",
          "text/javascript",
          "text/plain",
          "text/x-component"};
}

inline std::vector<std::string> types_for_brotli() {
  auto types = types_for_gzip();
  types.insert(types.begin(), "application/xml+rss");
  return types;
}

// What snippets of a route change of the options; what is not there is as those say.
struct RouteCoding {
  std::optional<bool> on;
  std::optional<std::uint32_t> level, min_length;
  std::optional<std::vector<std::string>> types;  // beside text/html; lower case; "*": all
  bool operator==(const RouteCoding&) const = default;
};
struct RouteCompression {
  RouteCoding gzip, brotli;
  std::optional<bool> vary;  // of both
  bool operator==(const RouteCompression&) const = default;
};

// The one value of gzip-disable that is no regular expression: old versions of the Internet Explorer, as nginx knows
// them.
inline constexpr std::string_view kMsie6 = "msie6";

}  // namespace sluice::model
