#pragma once
#include <cstdint>
#include <string_view>

// The hash of host names. Keyed, so that nobody who may name hosts can choose names that collide.
namespace sluice::data {

struct HashSeed {
  std::uint64_t k0 = 0, k1 = 0;
};

// A new one from the system's random numbers.
HashSeed random_seed();

// SipHash-1-3 (Aumasson and Bernstein, 2012). Any thread.
std::uint64_t hash_name(const HashSeed& seed, std::string_view name) noexcept;

}  // namespace sluice::data
