#pragma once
#include "net/http/message.h"

// The Connection field (RFC 9110 section 7.6.1): its options, and the fields that it takes out of the message.
namespace sluice::net::h1 {

struct ConnectionOptions {
  bool close = false;
  bool keep_alive = false;
  bool upgrade = false;
  bool breaks_framing = false;  // names Content-Length or Transfer-Encoding
  bool too_many = false;        // more than 64 options: the rest was not read
};

// Reads every Connection field of `fields` and marks the fields that they name as dropped, but never those which
// `keep` (bool(const http::Field&)) protects: without that, a client could strip what pods decide by.
ConnectionOptions apply_connection(http::Fields& fields, bool (*keep)(const http::Field&)) noexcept;

}  // namespace sluice::net::h1
