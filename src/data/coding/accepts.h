#pragma once
#include <string_view>

// Does a client take a coding? Judged as nginx does, by the value of its first Accept-Encoding alone, and not by the
// grammar of RFC 9110 section 12.5.3: what clients of ingress-nginx get stays what they get. `*` accepts nothing.
namespace sluice::data {

// As ngx_http_gzip_accept_encoding: the first `gzip` that stands at the beginning or behind a comma or blank decides. A
// weight must be written right, and not be 0.
bool accepts_gzip(std::string_view accept_encoding) noexcept;

// As ngx_brotli: the first `token` between commas and blanks decides. Nothing but a weight of 0 is a no.
bool accepts(std::string_view accept_encoding, std::string_view token) noexcept;

}  // namespace sluice::data
