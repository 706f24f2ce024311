#pragma once
#include <string_view>

#include "data/snapshot/snapshot.h"

namespace sluice::data {

// Has a request for `host` come by a TLS connection that was made for another server (RFC 9110 section 15.5.20)? Null:
// no; else why. `server_name`: what the client's SNI said, empty when it said nothing. Both in lower case, without port
// and trailing dot. `passthrough`: there may be hosts whose TLS is passed through.
const char* misdirected(const Snapshot& snapshot, std::string_view server_name, std::string_view host,
                        bool passthrough) noexcept;

}  // namespace sluice::data
