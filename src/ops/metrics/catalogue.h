#pragma once
#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

// Every metric, declared once. docs/metrics.md is made of this table; the scrape takes name, type and help from it.
namespace sluice::ops {

enum class MetricType { counter, gauge, histogram };

struct MetricInfo {
  std::string_view name;
  MetricType type;
  std::string_view labels;  // names separated by spaces, in the order of exposition
  std::string_view help;    // one sentence with the unit where the name does not say it
};

// What a histogram counts decides its upper bounds; the last bucket (+Inf) is not in the list.
inline constexpr std::array<double, 11> kTimeBuckets{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10};
inline constexpr std::array<double, 10> kLengthBuckets{10, 20, 30, 40, 50, 60, 70, 80, 90, 100};
inline constexpr std::array<double, 7> kSizeBuckets{10, 100, 1e3, 1e4, 1e5, 1e6, 1e7};

std::span<const MetricInfo> catalogue();
// Null when no such metric is declared.
const MetricInfo* find_metric(std::string_view name);
// The catalogue as a page of documentation.
std::string metrics_markdown();

}  // namespace sluice::ops
