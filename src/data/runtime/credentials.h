#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/clock.h"
#include "data/routing/hash.h"

namespace sluice::data {

// What is remembered of passwords for the whole process: which were right, and which clients had wrong ones. Tables of
// fixed size without locks; what does not fit pushes out something else. Any thread.
class Credentials {
 public:
  static constexpr std::size_t kRemembered = 8192;  // right ones
  static constexpr std::size_t kClients = 4096;     // with wrong ones
  // A client may be wrong so often at once, then once a second. Of IPv6 a /64 is one client.
  static constexpr std::uint64_t kBurst = 20, kEach = 1000;  // ms

  // A password beside the hash that it was checked against, as a number of 128 bits that tells nothing of either: keyed
  // by what only this process knows. Where the hash changes, nothing is remembered.
  struct Key {
    std::uint64_t high = 0, low = 0;
  };
  Key key_of(std::string_view hash, std::string_view password) const noexcept;
  bool known(const Key& key) const noexcept;
  void remember(const Key& key) noexcept;

  // Was this client wrong too often?
  bool limited(const std::array<std::uint8_t, 16>& client, Instant now) const noexcept;
  void wrong(const std::array<std::uint8_t, 16>& client, Instant now) noexcept;
  // Takes one wrong() back: the password was right, or nobody could tell.
  void not_wrong(const std::array<std::uint8_t, 16>& client) noexcept;

 private:
  struct Right {
    std::atomic<std::uint64_t> high{0}, low{0};
  };
  static constexpr std::size_t kWays = 4;
  std::uint64_t tag_of(const std::array<std::uint8_t, 16>& client) const noexcept;

  const HashSeed first_ = random_seed(), second_ = random_seed();
  const std::unique_ptr<Right[]> right_{new Right[kRemembered]};
  // Of a client its tag (24 bits) and until when it has used up what it may (40 bits of milliseconds).
  const std::unique_ptr<std::atomic<std::uint64_t>[]> clients_{new std::atomic<std::uint64_t>[kClients]()};
};

}  // namespace sluice::data
