#pragma once
#include <openssl/ssl.h>

#include <atomic>
#include <cstdint>
#include <string>

#include "echo/loop.h"

namespace sluice::echo {

// What has been served so far; GET /_echo/stats shows it and is not counted itself.
struct Stats {
  std::atomic<std::uint64_t> connections{0};  // accepted
  std::atomic<std::uint64_t> open{0};         // of these, not closed yet
  std::atomic<std::uint64_t> requests{0};     // heads that were read
  std::atomic<std::uint64_t> answered{0};     // answers that were written to their end
  std::atomic<std::uint64_t> body_bytes{0};   // of requests
  std::atomic<std::uint64_t> malformed{0};    // heads that could not be read, answered 400
  std::atomic<std::uint64_t> cut{0};          // requests whose body ended too early or wrongly
  std::atomic<std::uint64_t> abandoned{0};    // answers that the peer did not wait for
  std::atomic<std::uint64_t> upgrades{0};     // connections that became tunnels
};

struct Pod {
  std::string name;
  Stats stats;
};

// Serves one accepted connection until it ends. `tls`: null for plain text. `pod` and `loop` outlive it.
void serve(Pod& pod, Loop& loop, int fd, SSL_CTX* tls);

// Echoes WebSocket frames (RFC 6455) until either side closes. `answer`: the 101 head.
Task<bool> echo_frames(Stream& stream);
// The Sec-WebSocket-Accept value for a Sec-WebSocket-Key.
std::string websocket_accept(std::string_view key);

}  // namespace sluice::echo
