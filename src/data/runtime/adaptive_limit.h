#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>

namespace sluice::data {

// How many requests may be under way to a Cluster so that its pods are busy and few wait behind others in them: found
// by what answers take, in the way of the gradient that Netflix' concurrency-limits and Envoy's adaptive concurrency
// know. While answers take less than twice as long as they do without a queue the limit grows by its square root; where
// they take longer, it shrinks in that proportion.
// What they take without a queue is what must never be taken from a queue: a limit that believes in one makes it longer
// and believes in that. It is learned while few are under way, a quarter of the limit at most (with half of it a queue
// would feed itself). Under load it is measured now and then, with a quarter of the limit for a while, and believed
// where it is less than what was known: the queue that is there then may be that of other workers and other proxies.
// One Cluster of one worker; its thread. It knows no clock: all is counted in answers.
class AdaptiveLimit {
 public:
  static constexpr float kLeast = 8, kMost = 10'000, kBegin = 64;

  std::uint32_t limit() const noexcept { return static_cast<std::uint32_t>(probing_ != 0 ? limit_ / 4 : limit_); }
  // The head of an answer came after so many seconds, with so many requests under way, it included.
  void answered(float seconds, std::uint32_t under_way) noexcept {
    if (!(seconds > 0)) seconds = 1e-6F;
    recent_ += (seconds - recent_) * (average_of_ == 0 ? 1 : kRecent);
    if (average_of_ < kLearned) ++average_of_;
    average_ += (seconds - average_) / static_cast<float>(average_of_);
    if (average_of_ < kLearned) usual_ = average_;
    if (probing_ != 0) return probe(seconds);
    const auto many = static_cast<float>(under_way);
    if (many * 4 < limit_ || average_ < usual_) usual_ += (average_ - usual_) * kUsual;
    if (many * 2 < limit_) return;
    const float gradient = std::clamp(kTolerance * usual_ / recent_, 0.5F, 1.0F);
    limit_ = std::clamp(limit_ + (limit_ * (gradient - 1) + std::sqrt(limit_)) * kSmoothing, kLeast, kMost);
    if (static_cast<float>(++since_) < kBetween * limit_) return;
    since_ = 0;
    probing_ = static_cast<std::uint32_t>(2 * limit_);
    probed_ = probed_sum_ = 0;
  }

 private:
  // Those that were under way before are not of the probe.
  void probe(float seconds) noexcept {
    if (static_cast<float>(--probing_) >= limit_) return;
    probed_sum_ += seconds;
    ++probed_;
    if (probing_ != 0) return;
    const float probed = probed_sum_ / probed_;
    if (probed < kClearly * usual_) usual_ += (probed - usual_) / 2;
  }

  static constexpr float kTolerance = 2, kRecent = 0.1F, kUsual = 0.005F, kSmoothing = 0.05F, kBetween = 50;
  static constexpr float kClearly = 0.8F;         // less than that is no chance
  static constexpr std::uint32_t kLearned = 100;  // answers
  float limit_ = kBegin, usual_ = 0, recent_ = 0, average_ = 0, probed_ = 0, probed_sum_ = 0;
  std::uint32_t average_of_ = 0, probing_ = 0, since_ = 0;  // answers
};

}  // namespace sluice::data
