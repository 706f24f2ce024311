#pragma once
#include "base/result.h"
#include "data/proxy/exchange.h"

namespace sluice::data {

// The one retry rule. `tries`: attempts made so far; `nothing_sent`: the pod cannot have seen the request.
//  - nothing of a response has been started, the client is there, and the body can be sent again (or was not touched);
//  - a stale kept-alive connection is replaced once, without counting, when the method allows it or nothing was sent;
//  - what the pod says it has not processed goes again without counting, kMostUnprocessed times;
//  - otherwise proxy-next-upstream-tries and -timeout bound it, and methods that are not idempotent (POST, PATCH, LOCK,
//    as nginx counts them) go again only when nothing was sent or retry-non-idempotent is on.
inline constexpr std::uint32_t kMostUnprocessed = 16;
bool may_retry(const Exchange& ex, const Error& error, std::uint32_t tries, bool nothing_sent, Instant now) noexcept;

}  // namespace sluice::data
