#include "data/coding/coder.h"

#include <brotli/decode.h>
#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <cstdlib>
#include <random>

// What the libraries take, of this thread. A sanitizer has a malloc of its own.
#ifndef SLUICE_SANITIZED
#include <malloc.h>
namespace {
thread_local long held = 0, most_held = 0;
void* count(void* memory) noexcept {
  if (memory == nullptr) return memory;
  held += static_cast<long>(malloc_usable_size(memory));
  most_held = std::max(most_held, held);
  return memory;
}
void discount(void* memory) noexcept {
  if (memory != nullptr) held -= static_cast<long>(malloc_usable_size(memory));
}
}  // namespace
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void __libc_free(void*);
void* malloc(std::size_t size) {
  return count(__libc_malloc(size));
}
void* calloc(std::size_t number, std::size_t size) {
  return count(__libc_calloc(number, size));
}
void* realloc(void* memory, std::size_t size) {
  discount(memory);
  return count(__libc_realloc(memory, size));
}
void free(void* memory) {
  discount(memory);
  __libc_free(memory);
}
}
#endif

namespace sluice::data {
namespace {

// What others make of the bytes.
class Decoder {
 public:
  virtual ~Decoder() = default;
  // Appends all that can be known from `in` and what came before it. False: it is broken.
  virtual bool decode(std::string_view in, std::string& out) = 0;
  bool ended = false;
};

class Gunzip final : public Decoder {
 public:
  Gunzip() { inflateInit2(&stream_, 15 + 16); }
  ~Gunzip() override { inflateEnd(&stream_); }
  bool decode(std::string_view in, std::string& out) override {
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
    stream_.avail_in = static_cast<uInt>(in.size());
    char bytes[4096];
    do {
      stream_.next_out = reinterpret_cast<Bytef*>(bytes);
      stream_.avail_out = sizeof bytes;
      const int result = inflate(&stream_, Z_SYNC_FLUSH);
      out.append(bytes, sizeof bytes - stream_.avail_out);
      ended = result == Z_STREAM_END;
      if (result == Z_BUF_ERROR) return true;
      if (result != Z_OK && !ended) return false;
    } while (!ended && (stream_.avail_in != 0 || stream_.avail_out == 0));
    return stream_.avail_in == 0;
  }

 private:
  z_stream stream_{};
};

class Unbrotli final : public Decoder {
 public:
  ~Unbrotli() override { BrotliDecoderDestroyInstance(state_); }
  bool decode(std::string_view in, std::string& out) override {
    auto* next = reinterpret_cast<const std::uint8_t*>(in.data());
    std::size_t left = in.size();
    for (;;) {
      std::uint8_t bytes[4096];
      std::uint8_t* to = bytes;
      std::size_t room = sizeof bytes;
      const auto result = BrotliDecoderDecompressStream(state_, &left, &next, &room, &to, nullptr);
      out.append(reinterpret_cast<char*>(bytes), sizeof bytes - room);
      ended = result == BROTLI_DECODER_RESULT_SUCCESS;
      if (result == BROTLI_DECODER_RESULT_ERROR) return false;
      if (!BrotliDecoderHasMoreOutput(state_)) return left == 0;
    }
  }

 private:
  BrotliDecoderState* state_ = BrotliDecoderCreateInstance(nullptr, nullptr, nullptr);
};

class Unzstd final : public Decoder {
 public:
  ~Unzstd() override { ZSTD_freeDCtx(context_); }
  bool decode(std::string_view in, std::string& out) override {
    ZSTD_inBuffer from{in.data(), in.size(), 0};
    for (;;) {
      char bytes[4096];
      ZSTD_outBuffer to{bytes, sizeof bytes, 0};
      const auto left = ZSTD_decompressStream(context_, &to, &from);
      if (ZSTD_isError(left)) return false;
      out.append(bytes, to.pos);
      ended = left == 0;
      if (from.pos == from.size && (ended || to.pos < to.size)) return true;
    }
  }

 private:
  ZSTD_DCtx* context_ = ZSTD_createDCtx();
};

std::unique_ptr<Decoder> decoder_of(Coding coding) {
  if (coding == Coding::gzip) return std::make_unique<Gunzip>();
  if (coding == Coding::brotli) return std::make_unique<Unbrotli>();
  return std::make_unique<Unzstd>();
}

constexpr Coding kAll[] = {Coding::gzip, Coding::brotli, Coding::zstd};
constexpr unsigned highest(Coding coding) {
  return coding == Coding::gzip ? 9 : coding == Coding::brotli ? 11 : 9;
}

// Words, repeated now and then, with bytes that do not repeat between them.
std::string text(std::size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::string out;
  while (out.size() < size) {
    if (random() % 3 == 0)
      for (auto n = random() % 40; n > 0; --n) out += static_cast<char>(random());
    else
      out += "the same words as ever, ";
  }
  out.resize(size);
  return out;
}

std::string noise(std::size_t size) {
  std::mt19937 random(7);
  std::string out(size, '\0');
  for (auto& c : out) c = static_cast<char>(random());
  return out;
}

TEST(Coder, WhatWasCodedIsThereAtOnce) {
  std::mt19937 random(1);
  for (const Coding coding : kAll)
    for (unsigned level = 1; level <= highest(coding); ++level)
      for (const std::size_t size : {std::size_t{1}, std::size_t{100}, std::size_t{5000}, std::size_t{200'000}})
        for (const bool known : {false, true}) {
          const auto body = text(size, level);
          auto coder = info(coding).make(level, known ? std::optional<std::uint64_t>(size) : std::nullopt);
          ASSERT_NE(coder, nullptr);
          const auto decoder = decoder_of(coding);
          std::string back;
          for (std::size_t at = 0; at < size;) {
            const auto piece = std::min<std::size_t>(1 + random() % (random() % 2 == 0 ? 100 : 65536), size - at);
            std::string out;
            const bool last = at + piece == size;
            ASSERT_TRUE(coder->code(std::string_view(body).substr(at, piece), last, out));
            ASSERT_FALSE(out.empty());
            at += piece;
            ASSERT_TRUE(decoder->decode(out, back)) << info(coding).token << level;
            ASSERT_EQ(back.size(), at) << info(coding).token << " " << level << " of " << size;
            ASSERT_EQ(decoder->ended, last);
          }
          ASSERT_EQ(back, body);
        }
}

TEST(Coder, TheEndMayComeByItself) {
  for (const Coding coding : kAll)
    for (const std::string body : {"", "hello"}) {
      auto coder = info(coding).make(4, std::nullopt);
      std::string out;
      if (!body.empty()) {
        ASSERT_TRUE(coder->code(body, false, out));
      }
      ASSERT_TRUE(coder->code({}, true, out));
      std::string back;
      const auto decoder = decoder_of(coding);
      ASSERT_TRUE(decoder->decode(out, back));
      EXPECT_TRUE(decoder->ended);
      EXPECT_EQ(back, body);
    }
}

TEST(Coder, WhatDoesNotBecomeSmallerGrowsByLittle) {
  const auto body = noise(64 * 1024);
  for (const Coding coding : kAll)
    for (unsigned level = 1; level <= highest(coding); ++level)
      for (const std::size_t size : {std::size_t{1}, std::size_t{3000}, body.size()}) {
        auto coder = info(coding).make(level, std::nullopt);
        std::string out;
        for (int i = 0; i < 3; ++i) {
          out.clear();
          ASSERT_TRUE(coder->code(std::string_view(body).substr(0, size), i == 2, out));
          EXPECT_LE(out.size(), size + Coder::kOverhead) << info(coding).token << level;
        }
      }
}

TEST(Coder, ALargeBodyOfNothingComesToLittle) {
  const std::string zeros(64 * 1024, '\0');
  for (const Coding coding : kAll) {
    auto coder = info(coding).make(1, std::nullopt);
    std::size_t bytes = 0;
    for (int i = 0; i < 100; ++i) {
      std::string out;
      ASSERT_TRUE(coder->code(zeros, i == 99, out));
      bytes += out.size();
    }
    EXPECT_LT(bytes, 64'000u) << info(coding).token;
  }
}

#ifndef SLUICE_SANITIZED
TEST(Coder, TakesNoMoreMemoryThanItSays) {
  std::string out;
  out.reserve(128 * 1024);
  for (const Coding coding : kAll)
    for (unsigned level = coding == Coding::brotli ? 0 : 1; level <= highest(coding); ++level)
      for (const std::size_t size : {0, 100, 1000, 5000, 20'000, 60'000, 140'000, 300'000, 1'500'000}) {
        for (const bool known : {true, false}) {
          if (level >= 10 && (size > 300'000 || (known && size > 20'000))) continue;  // too slow
          drop_spare_coders();
          const auto body = text(size, 3);
          const auto length = known ? std::optional<std::uint64_t>(size) : std::nullopt;
          const auto said = static_cast<long>(info(coding).memory(level, length));
          const long before = held;
          most_held = held;
          auto coder = info(coding).make(level, length);
          for (std::size_t at = 0, end = 0; end < size; at = end) {
            end = std::min(size, at + info(coding).piece(level));
            out.clear();
            ASSERT_TRUE(coder->code(std::string_view(body).substr(at, end - at), end == size, out));
          }
          const long taken = most_held - before;
          EXPECT_LE(taken, said) << info(coding).token << " " << level << " of " << size
                                 << (known ? "" : ", not known");
          if (size >= 1'500'000) {
            EXPECT_GE(taken, said / 2) << info(coding).token << " " << level;
          }
        }
      }
}
#endif

TEST(Coder, ASpareOneIsUsedAgainAndCounted) {
  drop_spare_coders();
  const auto fresh = kZstd.memory(3, 1000);
  std::string out;
  ASSERT_TRUE(kZstd.make(3, std::nullopt)->code(text(500'000, 1), true, out));
  EXPECT_GT(kZstd.memory(3, 1000), 10 * fresh);
  const auto second = kZstd.make(9, 5);
  EXPECT_EQ(kZstd.memory(3, 1000), fresh);
  out.clear();
  std::string back;
  ASSERT_TRUE(second->code("hello", true, out));
  const auto decoder = decoder_of(Coding::zstd);
  ASSERT_TRUE(decoder->decode(out, back));
  EXPECT_EQ(back, "hello");
  drop_spare_coders();
  EXPECT_EQ(kZstd.memory(3, 1000), fresh);
}

TEST(Coder, AWindowHoldsTheWholeBody) {
  EXPECT_EQ(window_for(std::nullopt, 10, 18), 18);
  EXPECT_EQ(window_for(0, 10, 18), 10);
  EXPECT_EQ(window_for(1024, 10, 18), 10);
  EXPECT_EQ(window_for(1025, 10, 18), 11);
  EXPECT_EQ(window_for(std::uint64_t{1} << 60, 10, 18), 18);
}

}  // namespace
}  // namespace sluice::data
