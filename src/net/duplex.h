#pragma once
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/clock.h"
#include "base/result.h"
#include "net/io/task.h"
#include "net/tls/tls.h"

namespace sluice::net {

// Something that waits and can be given up from outside: whoever waits in it wakes with `why`.
class Cancellable {
 public:
  virtual void cancel(Error why) noexcept = 0;

 protected:
  ~Cancellable() = default;
};

// Bytes both ways, as a tunnel sees them: a connection, or a stream of one. The rules of Stream hold: nothing that
// try_read fills lives across a suspension, and what write_now gets is copied where it cannot leave at once.
class Duplex : public Cancellable {
 public:
  // done (bytes > 0), again_read, closed (the peer has ended its side) or failed.
  virtual tls::IoResult try_read(char* out, std::size_t size) = 0;
  // Until a try_read makes sense; Fault::timeout when `until` passes.
  virtual Task<Status> wait_readable(Instant until) = 0;
  // True when all of it left (or is surely on its way); else finish_write() must be awaited, with the rest inside.
  virtual bool write_now(std::span<const iovec> parts) noexcept = 0;
  virtual Task<Status> finish_write(Duration stall) = 0;
  // Bytes that have left, in all.
  virtual std::uint64_t written() const noexcept = 0;
  // How much to write at once so that little of it must be kept; never 0. `last`: size of the piece before.
  virtual std::size_t room(std::size_t last) noexcept = 0;
  // Nothing more will be written: the peer sees the end behind what it has got.
  virtual void end_write() noexcept = 0;
  // Whoever waits to read looks again.
  virtual void wake_reader() noexcept = 0;

 protected:
  ~Duplex() = default;
};

}  // namespace sluice::net
