#pragma once
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

// Bodies that both ends can compute from an id alone, at any offset, so that a byte of another exchange is noticed.
// Ids that start with "t0-" give bytes below 0x80, "t1-" bytes from 0x80 on: what is foreign shows in one byte.
namespace support {

inline std::uint64_t fnv1a(std::string_view s, std::uint64_t h = 0xcbf29ce484222325ull) {
  for (unsigned char c : s) {
    h ^= c;
    h *= 0x100000001b3ull;
  }
  return h;
}

class Body {
 public:
  explicit Body(std::string_view id) : seed_(fnv1a(id)) {
    if (id.starts_with("t0-")) and_ = 0x7f7f7f7f7f7f7f7full;
    if (id.starts_with("t1-")) or_ = 0x8080808080808080ull;
  }
  // Bytes [offset, offset + n) of the endless body of this id.
  void fill(std::uint64_t offset, char* out, std::size_t n) const {
    while (n > 0) {
      const std::uint64_t w = word(offset / 8);
      const std::size_t skip = offset % 8;
      const std::size_t take = n < 8 - skip ? n : 8 - skip;
      std::memcpy(out, reinterpret_cast<const char*>(&w) + skip, take);
      out += take;
      offset += take;
      n -= take;
    }
  }
  // Index of the first byte that differs, or data.size().
  std::size_t mismatch(std::uint64_t offset, std::string_view data) const {
    char want[4096];
    for (std::size_t at = 0; at < data.size();) {
      const std::size_t n = data.size() - at < sizeof want ? data.size() - at : sizeof want;
      fill(offset + at, want, n);
      if (std::memcmp(want, data.data() + at, n) != 0)
        for (std::size_t i = 0; i < n; ++i)
          if (want[i] != data[at + i]) return at + i;
      at += n;
    }
    return data.size();
  }
  std::string text(std::size_t n) const {
    std::string s(n, '\0');
    fill(0, s.data(), n);
    return s;
  }

 private:
  std::uint64_t word(std::uint64_t i) const {
    std::uint64_t z = seed_ + (i + 1) * 0x9e3779b97f4a7c15ull;  // splitmix64
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return ((z ^ (z >> 31)) & and_) | or_;
  }
  std::uint64_t seed_, and_ = ~0ull, or_ = 0;
};

}  // namespace support
