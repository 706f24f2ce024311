#include <zlib.h>

#include <algorithm>

#include "data/coding/coder.h"

namespace sluice::data {

namespace {

constexpr std::size_t kGzipStep = 16 * 1024;

// As nginx halves both for bodies that are known to be short: the window and what is remembered of it.
struct GzipSizes {
  int window = 15, memory = 8;
};
constexpr GzipSizes sizes_for(std::optional<std::uint64_t> length) noexcept {
  GzipSizes s;
  while (length && s.window > 9 && *length + 262 < (std::uint64_t{1} << (s.window - 1))) {
    --s.window;
    s.memory = std::max(s.memory - 1, 1);
  }
  return s;
}

class Gzip final : public Coder {
 public:
  static std::unique_ptr<Coder> make(unsigned level, std::optional<std::uint64_t> length) {
    std::unique_ptr<Gzip> made(new Gzip);
    const auto [window, memory] = sizes_for(length);
    constexpr int kWithGzipHeader = 16;
    if (deflateInit2(&made->stream_, static_cast<int>(level), Z_DEFLATED, window + kWithGzipHeader, memory,
                     Z_DEFAULT_STRATEGY) != Z_OK)
      return nullptr;
    made->begun_ = true;
    return made;
  }
  ~Gzip() override {
    if (begun_) deflateEnd(&stream_);
  }

  bool code(std::string_view in, bool last, std::string& out) override {
    // zlib does not write to it.
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
    stream_.avail_in = static_cast<uInt>(in.size());
    const int how = last ? Z_FINISH : Z_SYNC_FLUSH;
    const std::size_t step = std::min(kGzipStep, in.size() + kOverhead);
    for (int result = Z_OK;;) {
      append_filled(out, step, [&](char* bytes) {
        const auto room = static_cast<uInt>(step);
        stream_.next_out = reinterpret_cast<Bytef*>(bytes);
        stream_.avail_out = room;
        result = deflate(&stream_, how);
        return room - stream_.avail_out;
      });
      if (result == Z_STREAM_END) return true;
      // Nothing was left to be flushed.
      if (result == Z_BUF_ERROR && !last) return true;
      if (result != Z_OK) return false;
      if (!last && stream_.avail_out != 0) return true;
    }
  }

 private:
  Gzip() = default;
  z_stream stream_{};
  bool begun_ = false;
};

// zconf.h has the formula, "plus a few kilobytes".
std::size_t memory_of_gzip(unsigned, std::optional<std::uint64_t> length) noexcept {
  const auto s = sizes_for(length);
  return (std::size_t{1} << (s.window + 2)) + (std::size_t{1} << (s.memory + 9)) + 8 * 1024;
}

std::size_t piece_of_gzip(unsigned level) noexcept {
  return level <= 3 ? 64 * 1024 : level <= 6 ? 32 * 1024 : 16 * 1024;
}

}  // namespace

const CodingInfo kGzip{"gzip", Gzip::make, memory_of_gzip, piece_of_gzip};

}  // namespace sluice::data
