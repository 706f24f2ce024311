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
// Copies the head in ex.memory.response, whose views end with the turn, and what came behind it: others have their
// turns before it is used.
void keep_head(Exchange& ex, Upstream& up);

}  // namespace sluice::data
