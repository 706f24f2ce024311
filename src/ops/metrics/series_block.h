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

// A histogram with one writer: adding is one array increment and one sum. `Scale` turns a value into the integer the
// sum is kept in, so that the sum stays exact.
template <std::size_t N, std::uint64_t Scale>
struct Histogram {
  std::array<Counter, N + 1> buckets;  // not cumulative; the last is +Inf
  Counter sum;

  static std::size_t bucket_of(float value, const std::array<double, N>& bounds) noexcept {
    std::size_t i = 0;
    while (i < N && value > static_cast<float>(bounds[i])) ++i;
    return i;
  }
  void add(float value, const std::array<double, N>& bounds) noexcept {
    if (!(value >= 0)) return;
    buckets[bucket_of(value, bounds)].add();
    sum.add(static_cast<std::uint64_t>(static_cast<double>(value) * static_cast<double>(Scale)));
  }
  void add(std::uint64_t value, const std::array<double, N>& bounds) noexcept {
    std::size_t i = 0;
    while (i<N&& static_cast<double>(value)> bounds[i]) ++i;
    buckets[i].add();
    sum.add(value * Scale);
  }
};

using TimeHistogram = Histogram<kTimeBuckets.size(), 1'000'000'000>;
using LengthHistogram = Histogram<kLengthBuckets.size(), 1>;
using SizeHistogram = Histogram<kSizeBuckets.size(), 1>;

struct SeriesLabels {
  std::string host, ns, ingress, service, path;
};

// counting → asked (a reader found it idle and its route gone) → counting again, when a late exchange finds it, or
// → released (by its worker, which does not know it any more). Readers free what is released.
enum class BlockState : std::uint8_t { counting, asked, released };

struct SeriesBlock {
  SeriesLabels labels;
  std::uint64_t key = 0;
  std::uint32_t series = 0;
  std::uint16_t status = 0;
  std::uint8_t method = 0;

  std::atomic<BlockState> state{BlockState::counting};
  Counter last_seen;  // Unix seconds
  Counter requests;
  TimeHistogram request_duration, response_duration, header_duration, connect_duration;
  LengthHistogram request_size, response_size;
  SizeHistogram bytes_sent;

  // Set by the worker before the block is published, changed by readers afterwards.
  SeriesBlock* next = nullptr;
};

inline constexpr std::uint32_t kNoSeries = 0xffffffff;

// Values of the label `method`; whatever else a client sends is the first of them.
inline constexpr std::array<std::string_view, 10> kMethods{"other",  "GET",     "HEAD",    "POST",  "PUT",
                                                           "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"};
std::uint8_t method_index(std::string_view method) noexcept;

}  // namespace sluice::ops
