#pragma once
#include <functional>
#include <span>

#include "base/result.h"
#include "data/exchange/exchange.h"
#include "net/http/message.h"
#include "net/io/task.h"

namespace sluice::data {

class Pacing;

// Is a pod's answer with these fields read as fast as it comes, whatever the client takes (proxy-buffering: on)? What
// the pod says of it (X-Accel-Buffering: yes or no) counts more, as in nginx.
bool is_buffered(const Exchange& ex, std::span<const net::http::Field> fields) noexcept;

// Sends the rest of a response whose head was sent, as the client takes it, and reads it as the pod gives it
// (proxy-buffering: on): what the client has not taken yet lies in memory, then on the disk. Where both are full the
// pod waits, as it does where the disk takes nothing. `over`: called once, in the turn in which all of it was read;
// `body` is not touched any more from then on. `pacing`: how fast it goes to the client; null: as fast as that takes
// it.
net::Task<Status> send_ahead(Exchange& ex, BodySource& body, const std::function<void()>& over, Pacing* pacing);

}  // namespace sluice::data
