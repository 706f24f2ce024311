#include "data/runtime/credentials.h"

#include <algorithm>
#include <chrono>

namespace sluice::data {

namespace {

constexpr unsigned kTimeBits = 40;
constexpr std::uint64_t kTime = (std::uint64_t{1} << kTimeBits) - 1;

std::uint64_t milliseconds(Instant now) noexcept {
  const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
  return static_cast<std::uint64_t>(since) & kTime;
}

std::uint64_t keyed(const HashSeed& seed, std::string_view hash, std::string_view password) noexcept {
  const auto of_hash = hash_name(seed, hash);
  return hash_name({seed.k0 ^ of_hash, seed.k1 + of_hash}, password);
}

}  // namespace

Credentials::Key Credentials::key_of(std::string_view hash, std::string_view password) const noexcept {
  return {keyed(first_, hash, password) | 1, keyed(second_, hash, password)};
}

bool Credentials::known(const Key& key) const noexcept {
  for (std::size_t way = 0; way < 2; ++way) {
    const Right& at = right_[(key.low + way) % kRemembered];
    if (at.high.load(std::memory_order_relaxed) == key.high && at.low.load(std::memory_order_relaxed) == key.low)
      return true;
  }
  return false;
}

// Two threads may write one place at once: what is left then is nobody's, as both halves are compared.
void Credentials::remember(const Key& key) noexcept {
  const auto place = [&](std::size_t way) -> Right& { return right_[(key.low + way) % kRemembered]; };
  const bool first = place(0).high.load(std::memory_order_relaxed) == 0 ||
                     (place(1).high.load(std::memory_order_relaxed) != 0 && (key.high & 2) != 0);
  Right& at = place(first ? 0 : 1);
  at.high.store(key.high, std::memory_order_relaxed);
  at.low.store(key.low, std::memory_order_relaxed);
}

std::uint64_t Credentials::tag_of(const std::array<std::uint8_t, 16>& client) const noexcept {
  const bool v4 = std::all_of(client.begin(), client.begin() + 10, [](auto b) { return b == 0; });
  return hash_name(first_, {reinterpret_cast<const char*>(client.data()), v4 ? client.size() : 8});
}

bool Credentials::limited(const std::array<std::uint8_t, 16>& client, Instant now) const noexcept {
  const std::uint64_t hash = tag_of(client), tag = hash >> kTimeBits, ms = milliseconds(now);
  const std::size_t set = hash % (kClients / kWays) * kWays;
  for (std::size_t way = 0; way < kWays; ++way) {
    const auto entry = clients_[set + way].load(std::memory_order_relaxed);
    if (entry != 0 && entry >> kTimeBits == tag) return (entry & kTime) > ms + (kBurst - 1) * kEach;
  }
  return false;
}

void Credentials::wrong(const std::array<std::uint8_t, 16>& client, Instant now) noexcept {
  const std::uint64_t hash = tag_of(client), tag = hash >> kTimeBits, ms = milliseconds(now);
  const std::size_t set = hash % (kClients / kWays) * kWays;
  for (int tries = 0; tries < 8; ++tries) {
    std::size_t chosen = set;
    std::uint64_t entry = clients_[set].load(std::memory_order_relaxed);
    for (std::size_t way = 0; way < kWays; ++way) {
      const auto other = clients_[set + way].load(std::memory_order_relaxed);
      const bool own = other != 0 && other >> kTimeBits == tag;
      if (own || (other & kTime) < (entry & kTime)) chosen = set + way, entry = other;
      if (own) break;
    }
    const bool own = entry != 0 && entry >> kTimeBits == tag;
    const std::uint64_t from = own ? std::max(entry & kTime, ms) : ms;
    const std::uint64_t until = std::min(from + kEach, ms + 2 * kBurst * kEach) & kTime;
    if (clients_[chosen].compare_exchange_weak(entry, tag << kTimeBits | until, std::memory_order_relaxed)) return;
  }
}

// What others have pushed out, or what has passed meanwhile, is no longer there to be given back.
void Credentials::not_wrong(const std::array<std::uint8_t, 16>& client) noexcept {
  const std::uint64_t hash = tag_of(client), tag = hash >> kTimeBits;
  const std::size_t set = hash % (kClients / kWays) * kWays;
  for (std::size_t way = 0; way < kWays; ++way) {
    auto& at = clients_[set + way];
    auto entry = at.load(std::memory_order_relaxed);
    while (entry != 0 && entry >> kTimeBits == tag && (entry & kTime) >= kEach)
      if (at.compare_exchange_weak(entry, entry - kEach, std::memory_order_relaxed)) return;
  }
}

}  // namespace sluice::data
