#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>

namespace sluice::data {

// How many requests may be under way to a Cluster so that its pods are busy and few wait behind others in them: found
// by what answers take, in the way of the gradient that Netflix' concurrency-limits and Envoy's adaptive concurrency
// know. While answers take less than twice as long as they do without a queue the limit grows by its square root; where
// they take longer, it shrinks in that proportion. What they take without a queue is what comes while few are under
// way; under load it is measured now and then, with a quarter of the limit for a while: with half of it a queue that is
// there already would be taken for what is usual, and grow. One Cluster of one worker; its
// thread. It knows no clock: all is counted in answers.
class AdaptiveLimit {
 public:
  static constexpr float kLeast = 8, kMost = 10'000, kBegin = 64;

  std::uint32_t limit() const noexcept { return static_cast<std::uint32_t>(probing_ != 0 ? limit_ / 4 : limit_); }
  // The head of an answer came after so many seconds, with so many requests under way, it included.
  void answered(float seconds, std::uint32_t under_way) noexcept {
    if (!(seconds > 0)) seconds = 1e-6F;
    const bool first = recent_ == 0;
    recent_ += (seconds - recent_) * (first ? 1 : kRecent);
    if (first) usual_ = seconds;
    if (probing_ != 0) return probe(seconds);
    if (static_cast<float>(under_way) * 2 < limit_) {
      usual_ += (recent_ - usual_) * kUsual;
      return;
    }
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
    if (probing_ == 0) usual_ = probed_sum_ / probed_;
  }

  static constexpr float kTolerance = 2, kRecent = 0.1F, kUsual = 0.01F, kSmoothing = 0.05F, kBetween = 50;
  float limit_ = kBegin, usual_ = 0, recent_ = 0, probed_ = 0, probed_sum_ = 0;
  std::uint32_t probing_ = 0, since_ = 0;  // answers
};

}  // namespace sluice::data
