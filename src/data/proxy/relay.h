#pragma once
#include "base/result.h"
#include "data/exchange/exchange.h"
#include "data/exchange/streams.h"
#include "net/io/task.h"

namespace sluice::data {

// One attempt over one upstream stream: request up, response down, both at once where there is a body to send. One
// fork, one join. Gives the lease back when both messages ended cleanly; an Error whose retry allows it leaves the
// client untouched (nothing of a response was started). What became of it goes into ex.attempt.
net::Task<Status> relay(Exchange& ex, Lease lease);

// Is it the head that a body, or a tunnel, follows?
constexpr bool is_final(int status) noexcept {
  return status >= 200 || status == 101;
}
inline constexpr Error kTooManyInterim{Fault::too_large, Whose::upstream, Retry::no, 502, "too many interim responses"};
inline constexpr Error kSwitchesUnasked{Fault::malformed, Whose::upstream, Retry::no, 502,
                                        "101 without a request to upgrade"};
// All of a request whose body is here, and has no trailers, goes up; then the head that is final comes into
// ex.memory.response. Nobody gets the interim ones before it, of which there may be max-interim-responses.
net::Task<Status> ask_whole(Exchange& ex, Upstream& up);
// Copies the head in ex.memory.response, whose views end with the turn, and what came behind it: others have their
// turns before it is used.
void keep_head(Exchange& ex, Upstream& up);

}  // namespace sluice::data
