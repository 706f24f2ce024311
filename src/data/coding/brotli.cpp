#include <brotli/encode.h>

#include <algorithm>
#include <iterator>

#include "data/coding/coder.h"

namespace sluice::data {

namespace {

// A window of 256 KiB: what lies further back is seldom repeated, and the memory of a response goes with it. From
// quality 5 on the tables grow with the quality, up to 32 MB, unless the window is small.
constexpr int kBrotliWindow = 18, kBrotliWindowOfSlow = 16;
constexpr unsigned kBrotliSlow = 5;

int brotli_window(unsigned level, std::optional<std::uint64_t> length) noexcept {
  return window_for(length, 12, level >= kBrotliSlow ? kBrotliWindowOfSlow : kBrotliWindow);
}

class Brotli final : public Coder {
 public:
  static std::unique_ptr<Coder> make(unsigned level, std::optional<std::uint64_t> length) {
    std::unique_ptr<Brotli> made(new Brotli);
    if (made->state_ == nullptr) return nullptr;
    BrotliEncoderSetParameter(made->state_, BROTLI_PARAM_QUALITY, level);
    BrotliEncoderSetParameter(made->state_, BROTLI_PARAM_LGWIN,
                              static_cast<std::uint32_t>(brotli_window(level, length)));
    // Above a MiB it would take larger tables.
    if (length)
      BrotliEncoderSetParameter(made->state_, BROTLI_PARAM_SIZE_HINT,
                                static_cast<std::uint32_t>(std::min<std::uint64_t>(*length, (1 << 20) - 1)));
    return made;
  }
  ~Brotli() override {
    if (state_ != nullptr) BrotliEncoderDestroyInstance(state_);
  }

  bool code(std::string_view in, bool last, std::string& out) override {
    const auto how = last ? BROTLI_OPERATION_FINISH : BROTLI_OPERATION_FLUSH;
    auto* next = reinterpret_cast<const std::uint8_t*>(in.data());
    std::size_t left = in.size();
    // All of it is out when a call leaves neither input nor output: taking the output is not enough.
    for (;;) {
      std::size_t none = 0;
      if (!BrotliEncoderCompressStream(state_, how, &left, &next, &none, nullptr, nullptr)) return false;
      if (left == 0 && !BrotliEncoderHasMoreOutput(state_)) return true;
      while (BrotliEncoderHasMoreOutput(state_)) {
        std::size_t size = 0;
        const auto* bytes = BrotliEncoderTakeOutput(state_, &size);
        out.append(reinterpret_cast<const char*>(bytes), size);
      }
    }
  }

 private:
  Brotli() : state_(BrotliEncoderCreateInstance(nullptr, nullptr, nullptr)) {}
  BrotliEncoderState* const state_;
};

// Measured (coder_test.cpp), and a little more: what every body takes, what the largest do, and how it grows between.
std::size_t memory_of_brotli(unsigned level, std::optional<std::uint64_t> length) noexcept {
  struct Row {
    std::uint32_t least, most, each;  // KiB, KiB, bytes a byte
  };
  static constexpr Row rows[] = {{32, 320, 20},   {32, 800, 20},    {320, 1500, 20}, {320, 1500, 20},
                                 {640, 2200, 20}, {640, 1800, 20},  {640, 1800, 20}, {640, 1800, 20},
                                 {640, 1800, 20}, {1400, 2600, 20}, {800, 3700, 70}, {800, 6200, 70}};
  const Row& row = rows[std::min<std::size_t>(level, std::size(rows) - 1)];
  const std::uint64_t most = row.most * std::uint64_t{1024}, least = row.least * std::uint64_t{1024};
  return length && *length < (most - least) / row.each ? least + *length * row.each : most;
}

std::size_t piece_of_brotli(unsigned level) noexcept {
  return level <= 4 ? 64 * 1024 : level <= 9 ? 16 * 1024 : 4 * 1024;
}

}  // namespace

const CodingInfo kBrotli{"br", Brotli::make, memory_of_brotli, piece_of_brotli};

}  // namespace sluice::data
