#pragma once
#include <memory>

#include "data/exchange/exchange.h"
#include "data/exchange/streams.h"
#include "net/io/task.h"

namespace sluice::data {

// What of a piece of the response the record of a call wants.
void note_trailers(Exchange& ex, const Chunk& piece) noexcept;

// What is done to a response before its head is written: who asks on another's behalf has a say (Downstream), then the
// steps of phases respond and encode do, of the exchange whose client gets it. Returns what is read in place of `body`,
// or null: that is sent as it is. An error: nobody knows what the client is to get of a pod's response; nothing of it
// is sent.
Result<std::unique_ptr<BodySource>> form_response(Exchange& ex, ResponseStart& response, BodySource& body);

// The response's body behind its first piece, which was of `taken` bytes and left with the head, up to its end. A
// coroutine of its own: most responses are one piece.
net::Task<Status> send_rest(Exchange& ex, BodySource& body, std::size_t taken);

}  // namespace sluice::data
