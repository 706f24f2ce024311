#pragma once
#include "net/h2/session.h"
#include "net/io/loop.h"
#include "net/io/signal.h"
#include "net/stream.h"

namespace sluice::net::h2 {

// A Session on a connected Stream: one read for many frames, one write for all that a turn has made ready.
// Loop's thread only. Before it dies its writer must have ended: cancel the Stream and await finished().
class Transport final : private AtEndOfTurn {
 public:
  // `stall`: how long the peer may take nothing before the connection is given up.
  Transport(net::Stream& stream, Session& session, Duration stall);
  ~Transport();
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  // Reads at most `size` bytes of what is there into `scratch`, gives them to the session and tells the streams. Ok,
  // too, when nothing is there; Fault::closed at the peer's end, or why the session refuses to go on.
  // One read only: while the stream is maybe_readable(), others are to have their turn before the next one.
  Status read(char* scratch, std::size_t size);
  // For Owner::output_waits() and output_full().
  void output_waits() noexcept;
  bool write_now() noexcept;
  // Waits until nobody uses this any more.
  Task<void> finished();

 private:
  static constexpr std::size_t kFrame = 16 * 1024, kLeast = 8 * 1024;
  void end_of_turn() override;
  std::size_t most() noexcept;
  Task<void> unblock();
  net::Stream& stream_;
  Session& session_;
  Duration stall_;
  Signal unblocked_;
  std::size_t written_ = 0;  // at once, the last time
  bool due_ = false, blocked_ = false;
};

}  // namespace sluice::net::h2
