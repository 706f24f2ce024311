#include "net/http/trailers.h"

#include <algorithm>

#include "base/strings.h"
#include "net/http/message.h"

namespace sluice::net::http {

// RFC 9110 section 6.5.1: framing, routing, authentication, request modifiers, response control and content format have
// no place in trailers; a recipient that merges them would act on what nobody checked. Every name with a meaning of its
// own here is refused, then those by name, then families of names that proxies set.
bool allowed_in_trailers(std::string_view name) noexcept {
  if (name.starts_with("grpc-")) return true;  // most trailers are, and none of these has a meaning before its end
  if (name_of(name) != Name::other) return false;
  static constexpr std::string_view kNames[] = {
      "accept",
      "accept-charset",
      "accept-language",
      "accept-ranges",
      "age",
      "allow",
      "cache-control",
      "content-disposition",
      "content-language",
      "content-location",
      "content-range",
      "content-security-policy",
      "expires",
      "if-match",
      "if-modified-since",
      "if-none-match",
      "if-range",
      "if-unmodified-since",
      "last-modified",
      "origin",
      "pragma",
      "priority",
      "range",
      "retry-after",
      "set-cookie",
      "vary",
      "warning",
      "www-authenticate",
  };
  if (std::ranges::any_of(kNames, [&](std::string_view n) { return iequals(n, name); })) return false;
  static constexpr std::string_view kFamilies[] = {"x-forwarded-", "x-original-", "x-real-",         "x-auth-",
                                                   "proxy-",       "sec-",        "access-control-", "ssl-client-"};
  return std::ranges::none_of(kFamilies, [&](std::string_view f) { return iequals(name.substr(0, f.size()), f); });
}

}  // namespace sluice::net::http
