#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

// What clients have asked of Ingresses that limit it (limit-rps, limit-rpm, limit-connections): one table for the
// process, of a fixed size, with no lock. It knows neither Ingresses nor addresses but numbers of them, and outlives
// every Snapshot. Any thread.
//
// A client's counter lies in one of kWays places of a bucket that its number says. Where all are taken another one is
// forgotten: the one that was not used for longest, of the tenant that holds most of the bucket. So nobody's counters
// drive out those of a tenant who holds no more than his share.
namespace sluice::data {

class LimitTable {
 public:
  // Whose counter, and of which namespace: number() of both.
  struct Key {
    std::uint64_t counter = 0;
    std::uint16_t tenant = 0;
  };
  // The same for equal bytes as long as the process lives, and by a seed that nobody knows: who may name Ingresses, or
  // say what a client is, cannot choose two that share a counter.
  static std::uint64_t number(std::string_view bytes) noexcept;
  // As nginx has them: in thousandths of a request.
  struct Rate {
    std::uint32_t a_second = 0;  // kMostRate at most
    std::uint32_t burst = 0;     // kMostBurst at most
  };
  static constexpr std::uint32_t kMostRate = 2'000'000'000, kMostBurst = 4'000'000'000;
  struct Said {
    bool admitted = true;
    std::uint32_t excess = 0;  // thousandths above the rate, this request included
    bool forgot = false;       // another counter gave way
    bool counted = true;       // false: no place was found
  };
  // What nginx's limit_req makes of a request that comes `ms` after the last one that was admitted: how much is too
  // much then, this one included.
  static constexpr std::uint64_t excess_after(std::uint32_t before, std::uint32_t ms, std::uint32_t rate) noexcept {
    const std::uint64_t drained = static_cast<std::uint64_t>(rate) * ms / 1000, due = std::uint64_t{before} + 1000;
    return due > drained ? due - drained : 0;
  }

  LimitTable();
  ~LimitTable();
  LimitTable(const LimitTable&) = delete;
  LimitTable& operator=(const LimitTable&) = delete;

  // charge() and judge(), or enter(), will be asked for it soon: its memory is on the way from now on.
  void expect(Key key) const noexcept;
  void expect_count(Key key) const noexcept;
  // Charges a request to the counter, unless it is refused: then nothing changes. `now`: milliseconds of any steady
  // clock that all threads share, modulo 2^32; one thread's may lag behind another's.
  Said charge(Key key, Rate rate, std::uint32_t now) noexcept;
  // What charge() would say, and nothing is charged.
  Said judge(Key key, Rate rate, std::uint32_t now) noexcept;

  // Counts one that is in flight, where fewer than `most` (65535 at most) are. `place`: for leave(), once; null of one
  // that was admitted: it is not counted, as no place was found.
  struct Entered {
    bool admitted = false;
    std::atomic<std::uint64_t>* place = nullptr;
  };
  Entered enter(Key key, std::uint32_t most) noexcept;
  static void leave(std::atomic<std::uint64_t>* place) noexcept;

  static constexpr std::size_t kWays = 8, kBuckets = std::size_t{1} << 17;
  static constexpr std::size_t kBytesOfRate = 18, kBytesOfCount = 8;  // of one counter
  // A counter that nobody has used for so long goes first, whosever it is.
  static constexpr std::uint32_t kStale = 3'600'000;  // milliseconds

 private:
  // Of rates. What a decision needs of a counter is in one cache line, with three others; a bit of the key says which
  // half of the bucket is looked at first. That key is 32 bits beside those that choose the bucket: of a million
  // clients one in a thousand tables has two that share a counter. A place is free where it is 0, and being given to
  // another counter where it is kBusy.
  struct Place {
    std::atomic<std::uint64_t> state;  // when the last one was admitted, and the excess then: 32 bits each
    std::atomic<std::uint32_t> key;
    std::atomic<std::uint32_t> seen;  // when the last one came, refused or not
  };
  struct alignas(128) Rates {
    Place place[kWays];
  };
  // Whose they are, which is looked at where one is forgotten: apart, so that what decisions need is close together.
  struct Tenants {
    std::atomic<std::uint16_t> of[kWays];
  };
  // Of requests in flight: a part of the key, the tenant and their number in one word; 0: free.
  struct alignas(64) Counts {
    std::atomic<std::uint64_t> word[kWays];
  };
  static constexpr std::uint32_t kBusy = 1;

  template <bool Charges>
  Said ask(Key key, Rate rate, std::uint32_t now) noexcept;
  template <bool Charges>
  static std::optional<Said> ask(Place& place, std::uint32_t key, Rate rate, std::uint32_t now) noexcept;
  static std::size_t whom_to_forget(const Rates& bucket, const Tenants& tenants, std::uint16_t tenant,
                                    std::uint32_t now) noexcept;

  std::size_t bytes_ = 0;
  void* memory_ = nullptr;  // of the kernel: what nobody uses costs nothing
  Rates* rates_ = nullptr;
  Tenants* tenants_ = nullptr;
  Counts* counts_ = nullptr;
};

}  // namespace sluice::data
