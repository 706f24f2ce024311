#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

// Content codings (RFC 9110 section 8.4.1) that bodies get while they pass: one file for each, behind one interface.
namespace sluice::data {

// In the order in which they are chosen where a client takes several: docs/compression.md says why.
enum class Coding : std::uint8_t { brotli, zstd, gzip };
inline constexpr std::size_t kCodings = 3;

// One body that is being coded. Used on one thread.
class Coder {
 public:
  virtual ~Coder() = default;
  // Appends what `in` comes to: whoever decodes it has every byte of `in` then, and with `last` the end. What is
  // appended is larger than `in` by little at most (kOverhead, for 64 KiB). False: there is no memory, or the library
  // fails; nothing more can be coded.
  virtual bool code(std::string_view in, bool last, std::string& out) = 0;
  static constexpr std::size_t kOverhead = 512;
};

struct CodingInfo {
  std::string_view token;  // of Accept-Encoding and Content-Encoding
  // `level`: as the option has it. `length`: of all of the body, where it is known; for a short one less memory is
  // taken. Null: there is no memory.
  std::unique_ptr<Coder> (*make)(unsigned level, std::optional<std::uint64_t> length);
  // What the next one of this thread takes at most, in bytes.
  std::size_t (*memory)(unsigned level, std::optional<std::uint64_t> length) noexcept;
  // How much of a body is coded at once: about a millisecond's work.
  std::size_t (*piece)(unsigned level) noexcept;
};
// A thread may keep something of its last Coders for the next ones: gives that back.
void drop_spare_coders() noexcept;
extern const CodingInfo kBrotli, kZstd, kGzip;

inline const CodingInfo& info(Coding coding) noexcept {
  static constexpr std::array<const CodingInfo*, kCodings> all{&kBrotli, &kZstd, &kGzip};
  return *all[static_cast<std::size_t>(coding)];
}

// Appends at most `most` bytes, which fill(where) writes; it says how many they are.
template <class Fill>
void append_filled(std::string& out, std::size_t most, Fill&& fill) {
  const std::size_t before = out.size();
  out.resize_and_overwrite(
      before + most, [&](char* bytes, std::size_t) { return before + static_cast<std::size_t>(fill(bytes + before)); });
}

// The smallest window, as its logarithm from `least` to `most`, that holds all of a body of that length.
constexpr int window_for(std::optional<std::uint64_t> length, int least, int most) noexcept {
  int bits = least;
  while (bits < most && (!length || (std::uint64_t{1} << bits) < *length)) ++bits;
  return bits;
}

}  // namespace sluice::data
