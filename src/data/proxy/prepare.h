#pragma once
#include "base/result.h"
#include "data/exchange/exchange.h"

namespace sluice::data {

// Who the client is, what it asked for, which Route answers: everything that is known before the first filter.
// Pins the worker's View and the Cluster. Errors: 400 for a path above the root.
Status prepare(Exchange& ex);
// The worker's View, what of it holds for all requests, and what is known before the client has said anything: its
// address, the port it came to, TLS or not; a part of prepare().
void pin_view(Exchange& ex) noexcept;
// Is the address (16 bytes) one of proxy-real-ip-cidr, whose word about clients is believed?
bool trusted(const model::Options& options, const std::uint8_t* address) noexcept;
// Lets go of what prepare pinned.
void release(Exchange& ex) noexcept;
// Fills the record with everything but times, sizes, status and the route's names.
void describe(Exchange& ex) noexcept;
// Before a tunnel: copies what the record needs and lets go of routes, options and Cluster for its long life; the
// connection may give its buffers back after it.
void keep_for_log(Exchange& ex);
// The record's names of the route, when somebody wants them.
void name_route(Exchange& ex) noexcept;
// A request id for an exchange that has none yet.
void give_request_id(Exchange& ex) noexcept;

}  // namespace sluice::data
