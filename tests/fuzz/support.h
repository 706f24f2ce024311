#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

// What the fuzz targets share. A broken property aborts, which libFuzzer keeps as a finding.
#define PROPERTY(condition)                                                                 \
  do {                                                                                      \
    if (!(condition)) {                                                                     \
      std::fprintf(stderr, "%s:%d: broken property: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                         \
    }                                                                                       \
  } while (false)

namespace sluice::fuzz {

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// What stands in front of the first such byte, or all; both are gone from `text` then.
inline std::string_view up_to(char end, std::string_view& text) {
  const auto out = text.substr(0, text.find(end));
  text.remove_prefix(std::min(text.size(), out.size() + 1));
  return out;
}

// Sizes of the pieces in which bytes arrive: the same for the same input, so that findings can be repeated.
class Pieces {
 public:
  explicit Pieces(std::string_view seed) {
    for (char c : seed) state_ = (state_ ^ static_cast<std::uint8_t>(c)) * 1099511628211u;
  }
  std::size_t next(std::size_t most) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    const auto random = static_cast<std::size_t>(state_ >> 33);
    const std::size_t wanted = random % 4 == 0 ? 1 + random / 4 % 64 : 1 + random / 4 % 3;
    return std::min(most, wanted);
  }

 private:
  std::uint64_t state_ = 14695981039346656037u;
};

}  // namespace sluice::fuzz
