#pragma once
#include "data/exchange/exchange.h"
#include "data/exchange/streams.h"
#include "net/io/task.h"

namespace sluice::data {

// What of a piece of the response the record of a call wants.
void note_trailers(Exchange& ex, const Chunk& piece) noexcept;

// The response's body behind its first piece, which was of `taken` bytes and left with the head, up to its end. A
// coroutine of its own: most responses are one piece.
net::Task<Status> send_rest(Exchange& ex, BodySource& body, std::size_t taken);

}  // namespace sluice::data
