#pragma once
#include <cstddef>
#include <string_view>

#include "base/result.h"
#include "net/http/message.h"

// The head of a CGI response (RFC 3875 section 6), as FastCGI pods send it on their standard output. No I/O, no
// allocation.
namespace sluice::net::fcgi {

struct HeadLimits {
  std::size_t head = 4096;  // bytes of all of it
  std::size_t fields = http::kMaxFields;
};

// Where a search of a head in bytes that arrive piecemeal is.
struct HeadScan {
  std::size_t scanned = 0, line_start = 0;
};
// Finds the end of a head: lines that end with CRLF or LF, and an empty one. Its length with that; 0: more is needed
// (pass the same scan again). Errors (upstream, 502) as soon as the bytes cannot become one: a CR that no LF follows,
// another control byte than a tab, a limit. The result does not depend on how the bytes were cut into pieces.
Result<std::size_t> find_head(std::string_view bytes, HeadScan& scan, const HeadLimits& limits);

// Reads what find_head() found. As in nginx: the status is that of the field Status, else 302 where there is a
// Location, else 200. Dropped: Status, fields of the connection and of the framing. Framing `length` by a
// Content-Length, else until_close: until the pod says that the request ended; `none` to HEAD, for 204 and 304. Errors
// (upstream, 502): a line that is no field, a Status that is not three digits from 200 to 599, two fields Status, two
// Content-Lengths or one that is no number.
Status parse_head(std::string_view head, const HeadLimits& limits, http::Method request_method,
                  http::ResponseHead& out);

}  // namespace sluice::net::fcgi
