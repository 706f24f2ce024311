#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

// Which ClientHellos are on their way through this process: TLS that is passed through carries no mark of ours, but the
// random value of a ClientHello (RFC 8446 section 4.1.2) is a connection's own, so that one that comes a second time
// while the first runs has come back. A fixed table of atomics; any thread.
namespace sluice::data {

class PassingHellos {
 public:
  // `hello`: a hash of the random value; 0 is none. False: it is on its way already. Where its places are taken by
  // others it goes unseen, and leave() finds nothing.
  bool enter(std::uint64_t hello) noexcept {
    if (hello == 0) return true;
    for (std::size_t i = 0; i < kPlaces; ++i)
      if (place(hello, i).load(std::memory_order_acquire) == hello) return false;
    for (std::size_t i = 0; i < kPlaces; ++i) {
      std::uint64_t free = 0;
      if (place(hello, i).compare_exchange_strong(free, hello, std::memory_order_acq_rel)) break;
    }
    return true;
  }
  // Of one that enter() let in.
  void leave(std::uint64_t hello) noexcept {
    if (hello == 0) return;
    for (std::size_t i = 0; i < kPlaces; ++i) {
      std::uint64_t same = hello;
      if (place(hello, i).compare_exchange_strong(same, 0, std::memory_order_acq_rel)) return;
    }
  }

 private:
  static constexpr std::size_t kSize = 1 << 16, kPlaces = 16;
  std::atomic<std::uint64_t>& place(std::uint64_t hello, std::size_t i) noexcept {
    return table_[(hello + i) & (kSize - 1)];
  }
  std::array<std::atomic<std::uint64_t>, kSize> table_{};
};

}  // namespace sluice::data
