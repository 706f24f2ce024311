#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace sluice::model {

// What browsers are told that pages of other origins may do (enable-cors, cors-*).
struct Cors {
  // "*" alone: every origin. Else each SCHEME://HOST[:PORT], where HOST may begin with "*." for one label, or "null".
  // Empty: no origin.
  std::vector<std::string> origins = std::vector<std::string>(1, "*");  // GCC 12 reflects no braces of braces
  std::string methods = "GET, PUT, POST, DELETE, PATCH, OPTIONS";
  std::string headers =
      "DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization";
  std::string expose_headers;  // empty: the field is not sent
  bool credentials = true;
  std::int64_t max_age = 1728000;  // seconds
  bool ends_alone = false;         // only the end of an origin is compared, as ingress-nginx does
  bool operator==(const Cors&) const = default;
};

}  // namespace sluice::model
