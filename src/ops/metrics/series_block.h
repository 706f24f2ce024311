#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "ops/metrics/catalogue.h"
#include "sluice/record.h"

// What one worker counted for one label set (series, status, method). The worker writes the counters; readers hold no
// lock against it.
namespace sluice::ops {

// The first bucket whose bound is not below the value; N when all are.
template <std::size_t N>
std::size_t bucket_of(float value, const std::array<double, N>& bounds) noexcept {
  std::size_t i = 0;
  while (i < N && value > static_cast<float>(bounds[i])) ++i;
  return i;
}
template <std::size_t N>
std::size_t bucket_of(std::uint64_t value, const std::array<double, N>& bounds) noexcept {
  // First the last one, which most lengths are above.
  const auto size = static_cast<double>(value);
  if (size > bounds.back()) return N;
  std::size_t i = 0;
  while (i < N && size > bounds[i]) ++i;
  return i;
}

// What a reader sees of one histogram of a block.
struct HistogramView {
  const Counter* first;
  std::size_t stride;
  const Counter* sum_of;
  std::uint64_t bucket(std::size_t i) const noexcept { return first[i * stride].get(); }  // not cumulative
  std::uint64_t sum() const noexcept { return sum_of->get(); }
};

enum class TimeOf : std::uint8_t { request, response, header, connect };
enum class LengthOf : std::uint8_t { request, response };
inline constexpr std::uint64_t kTimeScale = 1'000'000'000;  // sums of times are kept in nanoseconds, exactly

struct SeriesLabels {
  std::string host, ns, ingress, service, path, canary;
};

// counting → asked (a reader found it idle and its route gone) → counting again, when a late exchange finds it, or
// → released (by its worker, which does not know it any more). Readers free what is released.
enum class BlockState : std::uint8_t { counting, asked, released };

// With thousands of routes each block lies in cold memory: what one request writes lies in three cache lines. Buckets
// are kept row by row, since the times of a request fall into the same few buckets, its lengths into the last.
struct alignas(64) SeriesBlock {
  Counter last_seen;  // Unix seconds
  Counter requests;
  std::array<Counter, 4> time_sum;
  std::array<Counter, 2> length_sum;

  Counter sent_sum;
  std::uint64_t key = 0;
  // Set by the worker before the block is published, changed by readers afterwards.
  SeriesBlock* next = nullptr;
  std::uint32_t series = 0;
  std::uint16_t status = 0;
  std::uint8_t method = 0;
  std::atomic<BlockState> state{BlockState::counting};
  std::array<std::array<Counter, 4>, kTimeBuckets.size() + 1> time;  // [bucket][TimeOf]; the last bucket is +Inf

  std::array<std::array<Counter, 2>, kLengthBuckets.size() + 1> length;
  std::array<Counter, kSizeBuckets.size() + 1> sent;

  SeriesLabels labels;

  void add(TimeOf of, float seconds) noexcept {
    if (!(seconds >= 0)) return;
    const auto i = static_cast<std::size_t>(of);
    time[bucket_of(seconds, kTimeBuckets)][i].add();
    time_sum[i].add(static_cast<std::uint64_t>(static_cast<double>(seconds) * static_cast<double>(kTimeScale)));
  }
  void add(LengthOf of, std::uint64_t bytes) noexcept {
    const auto i = static_cast<std::size_t>(of);
    length[bucket_of(bytes, kLengthBuckets)][i].add();
    length_sum[i].add(bytes);
  }
  void add_sent(std::uint64_t bytes) noexcept {
    sent[bucket_of(bytes, kSizeBuckets)].add();
    sent_sum.add(bytes);
  }
  // Asks for the lines that most requests write.
  void prefetch() const noexcept {
    __builtin_prefetch(&last_seen, 1);
    __builtin_prefetch(&sent_sum, 1);
    __builtin_prefetch(&length.back(), 1);
  }

  HistogramView view(TimeOf of) const noexcept {
    const auto i = static_cast<std::size_t>(of);
    return {&time[0][i], 4, &time_sum[i]};
  }
  HistogramView view(LengthOf of) const noexcept {
    const auto i = static_cast<std::size_t>(of);
    return {&length[0][i], 2, &length_sum[i]};
  }
  HistogramView view_sent() const noexcept { return {sent.data(), 1, &sent_sum}; }
};

inline constexpr std::uint32_t kNoSeries = 0xffffffff;

// Values of the label `method`; whatever else a client sends is the first of them.
inline constexpr std::array<std::string_view, 10> kMethods{"other",  "GET",     "HEAD",    "POST",  "PUT",
                                                           "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"};
std::uint8_t method_index(std::string_view method) noexcept;

}  // namespace sluice::ops
