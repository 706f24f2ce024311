#pragma once
#include <string_view>

#include "data/snapshot/snapshot.h"

namespace sluice::data {

// Does a connection that was made for a host with the one policy do for a host with the other? Null: that of the
// options. It does not where its ciphers would have been others, or its client was not judged as the host demands.
bool serves_for(const model::TlsPolicy* made_for, const model::TlsPolicy* wanted) noexcept;

// Has a request for `host` come by a TLS connection that was made for another server (RFC 9110 section 15.5.20)? Null:
// no; else why. `server_name`: what the client's SNI said, empty when it said nothing. Both in lower case, without port
// and trailing dot. `passthrough`: there may be hosts whose TLS is passed through.
const char* misdirected(const Snapshot& snapshot, std::string_view server_name, std::string_view host,
                        bool passthrough) noexcept;

}  // namespace sluice::data
