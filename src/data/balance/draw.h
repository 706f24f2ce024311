#pragma once
#include <cstddef>
#include <cstdint>

#include "data/balance/policy.h"

// Chance, for policies.
namespace sluice::data {

// splitmix64 (Steele, Lea and Flood, 2014): quick, and good enough to spread requests. Not secret.
class Chance {
 public:
  explicit Chance(std::uint64_t seed) noexcept : state_(seed) {}
  std::uint64_t next() noexcept {
    std::uint64_t x = state_ += 0x9e3779b97f4a7c15ULL;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
  }
  // One of 0 to n - 1; n is not 0.
  std::size_t below(std::size_t n) noexcept {
    return static_cast<std::size_t>(((next() >> 32) * static_cast<std::uint64_t>(n)) >> 32);
  }

 private:
  std::uint64_t state_;
};

// The first place in takers, from `from` on, whose endpoint was not tried and which is not `but`; `from` where there is
// none.
inline std::size_t untried_from(const Candidates& c, std::size_t from, std::size_t but = kNobody) noexcept {
  if (c.tried.empty() && from != but) return from;
  const std::size_t n = c.takers.size();
  // At most as many steps as there are others, and one.
  for (std::size_t i = 0; i < n && i <= c.tried.size() + 1; ++i) {
    const std::size_t at = from + i < n ? from + i : from + i - n;
    if (at != but && !c.was_tried(c.takers[at])) return at;
  }
  return from;
}

// The better one of two by chance, or the best of all where they are `few`; `better(a, b)` compares loads. kNobody:
// there is no taker.
template <class Better>
std::size_t pick_better(const Candidates& c, Chance& chance, std::size_t few, Better&& better) noexcept {
  const std::size_t n = c.takers.size();
  if (n == 0) return kNobody;
  if (n <= few) {
    const std::size_t from = chance.below(n);  // so that equal ones share
    std::size_t best = kNobody, any = kNobody;
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t at = c.takers[from + i < n ? from + i : from + i - n];
      std::size_t& so_far = c.was_tried(at) ? any : best;
      if (so_far == kNobody || better(*c.endpoints[at], *c.endpoints[so_far])) so_far = at;
    }
    return best != kNobody ? best : any;
  }
  const std::size_t first = untried_from(c, chance.below(n));
  const std::size_t behind = first + 1 + chance.below(n - 1);  // anybody but the first
  const std::size_t second = untried_from(c, behind < n ? behind : behind - n, first);
  const std::size_t one = c.takers[first], other = c.takers[second];
  if (c.was_tried(other) && !c.was_tried(one)) return one;
  return better(*c.endpoints[other], *c.endpoints[one]) ? other : one;
}

}  // namespace sluice::data
