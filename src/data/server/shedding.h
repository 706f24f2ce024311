#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/clock.h"
#include "net/stream.h"

// Who holds memory, so that it can be known who shall let go when there is too little (Rung::shed). Worker's thread.
namespace sluice::data {

struct Holding {
  // In the order in which they are ended. slow: a client that takes nothing, or does not go on with what it has begun.
  // idle: one that has asked for nothing. waiting: the pod is waited for.
  enum class Kind : std::uint8_t { slow, idle, waiting };
  Kind kind = Kind::slow;
  std::size_t bytes = 0;
  Instant since{};  // how long it has been so
  net::Cancellable* who = nullptr;
  net::Stream* connection = nullptr;  // it ends with a reset; null: it goes on
  double weight(Instant now) const noexcept {
    return static_cast<double>(bytes) * std::chrono::duration<double>(now - since).count();
  }
};

// What things take that nobody counts byte by byte: coroutines, the kernel's part of sockets, what libraries allocate.
namespace cost {
inline constexpr std::size_t kConnection = 6 * 1024, kExchange = 16 * 1024, kTls = 16 * 1024, kHandshake = 40 * 1024,
                             kHttp2 = 14 * 1024;
}

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

// What those are told that are ended for it.
inline constexpr Error kShed{Fault::overload, Whose::internal, Retry::no, 503,
                             "memory is short: clients that hold it and do not go on are reset"};

}  // namespace sluice::data
