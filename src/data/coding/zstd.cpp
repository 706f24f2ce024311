#include <zstd.h>

#include <algorithm>

#include "data/coding/coder.h"

namespace sluice::data {

namespace {

// Every decoder of the web takes a window of 8 MiB (RFC 9659), but what a response costs in memory goes with it, and
// with the tables, which the library makes much larger at higher levels.
constexpr int kZstdWindow = 18, kZstdTables = 16;

struct FreeZstd {
  void operator()(ZSTD_CCtx* context) const noexcept { ZSTD_freeCCtx(context); }
};
using ZstdContext = std::unique_ptr<ZSTD_CCtx, FreeZstd>;
// The last one that this thread was done with: a new one costs several times what it then does for a short body.
thread_local ZstdContext spare_zstd;

class Zstd final : public Coder {
 public:
  static std::unique_ptr<Coder> make(unsigned level, std::optional<std::uint64_t> length) {
    std::unique_ptr<Zstd> made(new Zstd);
    if (made->context_ == nullptr) return nullptr;
    ZSTD_CCtx_reset(made->context_.get(), ZSTD_reset_session_and_parameters);
    ZSTD_CCtx_setParameter(made->context_.get(), ZSTD_c_compressionLevel, static_cast<int>(level));
    ZSTD_CCtx_setParameter(made->context_.get(), ZSTD_c_windowLog, window_for(length, 10, kZstdWindow));
    ZSTD_CCtx_setParameter(made->context_.get(), ZSTD_c_hashLog, kZstdTables);
    ZSTD_CCtx_setParameter(made->context_.get(), ZSTD_c_chainLog, kZstdTables);
    // Which tables it takes follows from it. A body of another length is a fault of the framing and found there.
    if (length) ZSTD_CCtx_setPledgedSrcSize(made->context_.get(), *length);
    return made;
  }
  ~Zstd() override {
    if (!spare_zstd) spare_zstd = std::move(context_);
  }

  bool code(std::string_view in, bool last, std::string& out) override {
    ZSTD_inBuffer from{in.data(), in.size(), 0};
    const std::size_t step = std::min(kStep, in.size() + kOverhead);
    for (std::size_t left = 1; left != 0;) {
      append_filled(out, step, [&](char* bytes) {
        ZSTD_outBuffer to{bytes, step, 0};
        left = ZSTD_compressStream2(context_.get(), &to, &from, last ? ZSTD_e_end : ZSTD_e_flush);
        return to.pos;
      });
      if (ZSTD_isError(left)) return false;
    }
    return true;
  }

 private:
  static constexpr std::size_t kStep = 16 * 1024;
  Zstd() : context_(spare_zstd ? std::move(spare_zstd) : ZstdContext(ZSTD_createCCtx())) {}
  ZstdContext context_;
};

// Measured (coder_test.cpp), and a little more.
std::size_t memory_of_zstd(unsigned, std::optional<std::uint64_t> length) noexcept {
  constexpr std::uint64_t kLargest = 1600 * 1024, kEach = 28;
  const std::size_t fresh = length && *length < kLargest / kEach ? 64 * 1024 + *length * kEach : kLargest;
  return spare_zstd ? std::max(fresh, ZSTD_sizeof_CCtx(spare_zstd.get())) : fresh;
}

std::size_t piece_of_zstd(unsigned level) noexcept {
  return level <= 4 ? 64 * 1024 : 32 * 1024;
}

}  // namespace

void drop_spare_coders() noexcept {
  spare_zstd.reset();
}

const CodingInfo kZstd{"zstd", Zstd::make, memory_of_zstd, piece_of_zstd};

}  // namespace sluice::data
