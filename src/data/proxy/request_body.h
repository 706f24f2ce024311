#pragma once
#include "base/result.h"
#include "data/exchange/exchange.h"
#include "net/io/task.h"

namespace sluice::data {

inline constexpr std::size_t kCollect = 1 << 20;  // chunked bodies up to this reach the pod with a Content-Length
inline constexpr std::size_t kCollectShort = 16 * 1024;  // the same while memory is short

// Has a peer that kept us waiting for more than ten seconds moved less than `rate` bytes a second on average (0: any)?
inline bool below_rate(std::uint64_t bytes, Duration waited, std::uint64_t rate) noexcept {
  return rate && waited > std::chrono::seconds(10) &&
         bytes < rate * static_cast<std::uint64_t>(waited / std::chrono::seconds(1));
}

inline constexpr std::size_t kKeptOfCall = 64 * 1024;  // of a body that streams, so that it can be sent again

// The next piece of the request body, counted against proxy-body-size (413). `most`: as BodySource::read().
net::Task<Result<Chunk>> next_request_piece(Exchange& ex, std::size_t most);
// Before the first attempt: is there no body, or all of it? Else take_request_body() finds out whether it is whole, and
// collects a chunked one where the route buffers; or one of any length, on the disk where it is long, where the route
// asks for that or the pod takes none without a length (HTTP/1.0).
bool body_is_here(Exchange& ex) noexcept;
net::Task<Status> take_request_body(Exchange& ex);

}  // namespace sluice::data
