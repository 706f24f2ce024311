#pragma once
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>

#include "base/clock.h"
#include "data/routing/hash.h"

namespace sluice::data {

// The numbers that auth-type: digest gives out, for the whole process. One says itself when it was made, under a key
// that only this process has: nothing is kept until somebody has shown a password with it, and another process asks
// again (stale). From then on what was counted with it is kept, so that nothing counts twice. What no longer fits is
// forgotten with all that is older: asked again, too. Any thread; uses take a lock.
class Nonces {
 public:
  static constexpr Duration kLife = std::chrono::minutes(5);
  static constexpr std::size_t kKept = 8192;    // nonces with which a password was shown
  static constexpr std::uint32_t kWindow = 64;  // counts that may come out of order
  static constexpr std::size_t kSize = 64;
  using Text = std::array<char, kSize>;

  Text make(Instant now) noexcept;
  // Is it of ours, and young enough? Says nothing about counts.
  bool valid(std::string_view nonce, Instant now) const noexcept;
  // Of a valid one, once a password was shown with it: false where the count was there before, or nobody knows.
  bool use(std::string_view nonce, std::uint32_t count, Instant now) noexcept;

 private:
  struct Made {
    std::uint64_t at = 0;      // ms
    std::uint64_t serial = 0;  // 0: none
  };
  struct Used {
    Made made;
    std::uint32_t highest = 0;
    std::uint64_t seen = 0;  // bit n: highest - n
  };
  static constexpr std::size_t kWays = 8, kSets = kKept / kWays, kLocks = 64;
  struct Set {
    std::array<Used, kWays> used;
    std::uint64_t forgotten = 0;  // when the youngest was made that was forgotten before its time
  };
  Made read(std::string_view nonce) const noexcept;
  void write(const Made& made, Text& out) const noexcept;

  const HashSeed first_ = random_seed(), second_ = random_seed();
  std::atomic<std::uint64_t> last_{0};
  std::array<std::mutex, kLocks> locks_;
  std::array<std::unique_ptr<Set>, kSets> sets_;  // made with the first use
};

}  // namespace sluice::data
