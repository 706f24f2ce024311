#pragma once
#include <string_view>

#include "base/result.h"

// The authority of a request (RFC 9110 section 7.2, RFC 3986 section 3.2), read strictly.
namespace sluice::net::http {

struct Authority {
  std::string_view host;  // as written; an IPv6 literal keeps its brackets
  std::string_view port;  // digits; empty when none is written
};

// Splits `text` without copying; the views point into it. Errors (400): empty, longer than 255 bytes before the port,
// userinfo, a comma, a space, a slash or any byte that is not in reg-name, percent-encoding (no DNS name needs it and
// pods differ in who decodes it), an IPv6 literal that is none, a zone, IPvFuture, a port that is not 0…65535.
// "host:" with an empty port is legal by RFC 3986 and is accepted.
Result<Authority> split_authority(std::string_view text) noexcept;

// Do both name the same origin: hosts without regard to case, ports as numbers, an empty port standing for
// `default_port`.
bool same_authority(const Authority& a, const Authority& b, unsigned default_port) noexcept;

}  // namespace sluice::net::http
