#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace sluice {

// 16 lower-case hexadecimal digits, the lowest byte first: for ids, of which nobody asks for the number.
inline void write_hex(std::uint64_t value, char* out16) noexcept {
  static constexpr auto kPairs = [] {
    constexpr char kDigits[] = "0123456789abcdef";
    std::array<std::array<char, 2>, 256> pairs{};
    for (std::size_t i = 0; i < pairs.size(); ++i) pairs[i] = {kDigits[i >> 4], kDigits[i & 15]};
    return pairs;
  }();
  for (int i = 0; i < 8; ++i, value >>= 8, out16 += 2) std::memcpy(out16, kPairs[value & 255].data(), 2);
}

}  // namespace sluice
