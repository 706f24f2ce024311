#pragma once
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

// The one value of gzip-disable that is no regular expression: old versions of the Internet Explorer, as nginx knows
// them.
inline constexpr std::string_view kMsie6 = "msie6";

}  // namespace sluice::model
