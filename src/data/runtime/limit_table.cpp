#include "data/runtime/limit_table.h"

#include <sys/mman.h>

#include <new>

#include "data/routing/hash.h"

namespace sluice::data {

namespace {

constexpr int kTurns = 8;          // of a counter that others take away or make at the same moment
constexpr int kTurnsOfCount = 64;  // the same; many threads may count one client
constexpr std::uint64_t kCount = 0xffff;
// Clocks of workers differ by what they do in a turn.
constexpr std::uint32_t kLag = 60'000;  // milliseconds

constexpr std::uint64_t pack(std::uint32_t last, std::uint32_t excess) noexcept {
  return static_cast<std::uint64_t>(last) << 32 | excess;
}

// Milliseconds from `then` to `now`; none where the other thread's clock is ahead.
constexpr std::uint32_t since(std::uint32_t then, std::uint32_t now) noexcept {
  const std::uint32_t ms = now - then;
  return ms > ~kLag ? 0 : ms;
}

// The lowest bits.
constexpr std::uint32_t key_of(std::uint64_t counter) noexcept {
  const auto key = static_cast<std::uint32_t>(counter);
  return key < 2 ? key + 2 : key;
}

constexpr std::size_t bucket_of(std::uint64_t counter) noexcept {
  return static_cast<std::size_t>(counter >> 47);
}
static_assert(LimitTable::kBuckets == std::size_t{1} << (64 - 47));

// The place of a bucket that is looked at first: the first or the middle one.
constexpr std::size_t first_of(std::uint64_t counter) noexcept {
  return (counter >> 46 & 1) * (LimitTable::kWays / 2);
}

}  // namespace

std::uint64_t LimitTable::number(std::string_view bytes) noexcept {
  static const HashSeed seed = random_seed();
  return hash_name(seed, bytes);
}

LimitTable::LimitTable() : bytes_(kBuckets * (sizeof(Rates) + sizeof(Counts) + sizeof(Tenants))) {
  static_assert(sizeof(Rates) == 128 && sizeof(Counts) == 64 && sizeof(Tenants) == 16);
  static_assert(sizeof(Rates) + sizeof(Tenants) == kWays * kBytesOfRate);
  static_assert(std::atomic<std::uint64_t>::is_always_lock_free);
  memory_ = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory_ == MAP_FAILED) throw std::bad_alloc();
  ::madvise(memory_, bytes_, MADV_NOHUGEPAGE);  // the first counter shall not cost two megabytes
  // Zeros are what an unused bucket holds.
  rates_ = static_cast<Rates*>(memory_);
  counts_ = reinterpret_cast<Counts*>(rates_ + kBuckets);
  tenants_ = reinterpret_cast<Tenants*>(counts_ + kBuckets);
}

LimitTable::~LimitTable() {
  ::munmap(memory_, bytes_);
}

template <bool Charges>
std::optional<LimitTable::Said> LimitTable::ask(Place& place, std::uint32_t key, Rate rate,
                                                std::uint32_t now) noexcept {
  auto& state = place.state;
  std::uint64_t was = state.load(std::memory_order_acquire);
  for (;;) {
    if (place.key.load(std::memory_order_acquire) != key) return std::nullopt;  // it was forgotten meanwhile
    const auto last = static_cast<std::uint32_t>(was >> 32);
    const std::uint32_t ms = since(last, now);
    const std::uint64_t excess = excess_after(static_cast<std::uint32_t>(was), ms, rate.a_second);
    const bool admitted = excess <= rate.burst;
    Said said{admitted, static_cast<std::uint32_t>(excess < 0xffffffff ? excess : 0xffffffff)};
    if (!Charges || !admitted) {
      place.seen.store(now, std::memory_order_relaxed);
      return said;
    }
    if (state.compare_exchange_weak(was, pack(ms == 0 ? last : now, said.excess), std::memory_order_acq_rel,
                                    std::memory_order_acquire)) {
      place.seen.store(now, std::memory_order_relaxed);
      return said;
    }
  }
}

std::size_t LimitTable::whom_to_forget(const Rates& bucket, const Tenants& tenants, std::uint16_t tenant,
                                       std::uint32_t now) noexcept {
  std::uint32_t age[kWays];
  std::uint16_t owner[kWays];
  std::size_t held[kWays]{}, most = 0, own = 0, stalest = 0;
  for (std::size_t i = 0; i < kWays; ++i) {
    age[i] = since(bucket.place[i].seen.load(std::memory_order_relaxed), now);
    owner[i] = tenants.of[i].load(std::memory_order_relaxed);
    if (age[i] > age[stalest]) stalest = i;
  }
  if (age[stalest] >= kStale) return stalest;
  for (std::size_t i = 0; i < kWays; ++i) {
    for (std::size_t j = 0; j < kWays; ++j) held[i] += owner[j] == owner[i] ? 1 : 0;
    if (held[i] > most) most = held[i];
    if (owner[i] == tenant) own = held[i];
  }
  const bool from_own = own >= most;
  std::size_t out = kWays;
  for (std::size_t i = 0; i < kWays; ++i) {
    if (from_own ? owner[i] != tenant : held[i] != most) continue;
    if (out == kWays || age[i] > age[out]) out = i;
  }
  return out;
}

template <bool Charges>
LimitTable::Said LimitTable::ask(Key of, Rate rate, std::uint32_t now) noexcept {
  Rates& bucket = rates_[bucket_of(of.counter)];
  Tenants& tenants = tenants_[bucket_of(of.counter)];
  const std::size_t first = first_of(of.counter);
  const std::uint32_t key = key_of(of.counter);
  for (int turn = 0; turn < kTurns; ++turn) {
    std::size_t way = kWays, unused = kWays;
    for (std::size_t n = 0; n < kWays && way == kWays; ++n) {
      const std::size_t i = n ^ first;
      const std::uint32_t k = bucket.place[i].key.load(std::memory_order_seq_cst);
      if (k == key) way = i;
      if (k == 0 && unused == kWays) unused = i;
    }
    if (way != kWays) {
      if (auto said = ask<Charges>(bucket.place[way], key, rate, now)) return *said;
      continue;
    }
    if constexpr (!Charges) return {};
    std::uint32_t before = 0;
    way = unused;
    if (way == kWays) {
      way = whom_to_forget(bucket, tenants, of.tenant, now);
      before = bucket.place[way].key.load(std::memory_order_acquire);
      if (before == kBusy || before == key) continue;
    }
    Place& place = bucket.place[way];
    if (!place.key.compare_exchange_strong(before, kBusy, std::memory_order_acq_rel)) continue;
    // A new client owes nothing yet: nginx charges from its second request on.
    place.state.store(pack(now, 0), std::memory_order_relaxed);
    place.seen.store(now, std::memory_order_relaxed);
    tenants.of[way].store(of.tenant, std::memory_order_relaxed);
    place.key.store(key, std::memory_order_seq_cst);
    // Another thread may have made one for the same client in another place, as that became free just then. One of the
    // two sees the other at least, lets go of its own and takes what there is.
    bool twin = false;
    for (std::size_t i = 0; i < kWays; ++i)
      twin = twin || (i != way && bucket.place[i].key.load(std::memory_order_seq_cst) == key);
    if (!twin) return {.forgot = before != 0};
    std::uint32_t own = key;
    place.key.compare_exchange_strong(own, 0, std::memory_order_seq_cst);
  }
  return {.counted = false};
}

void LimitTable::expect(Key of) const noexcept {
  __builtin_prefetch(&rates_[bucket_of(of.counter)].place[first_of(of.counter)], 1);
}

void LimitTable::expect_count(Key of) const noexcept {
  __builtin_prefetch(&counts_[bucket_of(of.counter)], 1);
}

LimitTable::Said LimitTable::charge(Key key, Rate rate, std::uint32_t now) noexcept {
  return ask<true>(key, rate, now);
}

LimitTable::Said LimitTable::judge(Key key, Rate rate, std::uint32_t now) noexcept {
  return ask<false>(key, rate, now);
}

LimitTable::Entered LimitTable::enter(Key of, std::uint32_t most) noexcept {
  auto& words = counts_[bucket_of(of.counter)].word;
  const std::uint64_t name = static_cast<std::uint64_t>(of.tenant) << 48 | (of.counter & 0xffffffff) << 16;
  for (int turn = 0; turn < kTurnsOfCount; ++turn) {
    std::size_t way = kWays, unused = kWays, held = 0;
    std::uint64_t found = 0, all = 0;
    for (std::size_t i = 0; i < kWays; ++i) {
      const std::uint64_t word = words[i].load(std::memory_order_seq_cst);
      if (word == 0) {
        if (unused == kWays) unused = i;
        continue;
      }
      if (word >> 48 == of.tenant) ++held;
      if ((word & ~kCount) != name) continue;
      all += word & kCount;
      if (way == kWays) way = i, found = word;
    }
    if (all >= most) return {};
    if (way != kWays) {
      if (words[way].compare_exchange_strong(found, found + 1, std::memory_order_seq_cst)) return {true, &words[way]};
      continue;
    }
    // All places have others in flight. Whose tenant has half of them has to wait for his own; another's client is
    // not made to pay for that.
    if (unused == kWays) return {held < kWays / 2, nullptr};
    std::uint64_t none = 0;
    if (!words[unused].compare_exchange_strong(none, name | 1, std::memory_order_seq_cst)) continue;
    bool twin = false;  // as above
    for (std::size_t i = 0; i < kWays; ++i)
      twin = twin || (i != unused && (words[i].load(std::memory_order_seq_cst) & ~kCount) == name);
    if (!twin) return {true, &words[unused]};
    leave(&words[unused]);
  }
  return {};
}

void LimitTable::leave(std::atomic<std::uint64_t>* place) noexcept {
  std::uint64_t word = place->load(std::memory_order_relaxed);
  while (!place->compare_exchange_weak(word, (word & kCount) > 1 ? word - 1 : 0, std::memory_order_seq_cst)) {
  }
}

}  // namespace sluice::data
