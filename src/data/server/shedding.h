#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/clock.h"
#include "data/runtime/cost.h"
#include "net/stream.h"

// Who holds memory, so that it can be known who shall let go when there is too little (Rung::shed). Worker's thread.
namespace sluice::data {

struct Holding {
  // slow: a client that takes nothing, or does not go on with what it has begun. idle: one that has asked for nothing.
  // Not listed: who waits for us or for a pod, and tunnels and gRPC calls that are merely quiet.
  enum class Kind : std::uint8_t { slow, idle };
  Kind kind = Kind::slow;
  std::size_t bytes = 0;
  Instant since{};  // how long it has been so
  net::Cancellable* who = nullptr;
  net::Stream* connection = nullptr;  // ends with it, a slow client's with a reset; null: it goes on
  bool unused = false;                // nothing was ever asked on it
  double weight(Instant now) const noexcept {
    return static_cast<double>(bytes) * std::chrono::duration<double>(now - since).count();
  }
};

// Up to a number of them; those beyond are seen another time.
class Holdings {
 public:
  explicit Holdings(std::span<Holding> room) noexcept : room_(room) {}
  void add(const Holding& h) noexcept {
    if (count_ < room_.size()) room_[count_++] = h;
  }
  bool full() const noexcept { return count_ == room_.size(); }
  std::span<Holding> all() noexcept { return room_.first(count_); }

 private:
  std::span<Holding> room_;
  std::size_t count_ = 0;
};

// Bytes that clients hold who are slow by now and do not merely pause.
std::uint64_t held_by_slow(std::span<const Holding> all, Instant now) noexcept;

// Those that may be ended, in the order in which they are: slow ones, and with `others_too` behind them those that
// pause and those that have been idle for a second; each with those first that hold most for longest. Reorders `all`.
std::span<Holding> whom_to_end(std::span<Holding> all, bool others_too, Instant now) noexcept;

// Those whose connection may be closed where there are too many, in the order in which they are: those that have never
// asked for anything, once they are a second old, those that have not for a second, then those that have not gone on
// for as long; each with those first that it is longest for. Reorders `all`.
std::span<Holding> whom_to_close(std::span<Holding> all, Instant now) noexcept;

// What those are told that are ended for it.
inline constexpr Error kShed{Fault::overload, Whose::internal, Retry::no, 503,
                             "memory is short: clients that hold it and do not go on are reset"};

inline constexpr Error kShedClient{Fault::overload, Whose::internal, Retry::no, 503,
                                   "connections are short: clients that have one and do not go on are reset"};

}  // namespace sluice::data
