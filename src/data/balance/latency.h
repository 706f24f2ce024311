#pragma once
#include <chrono>
#include <cmath>

#include "data/balance/policy.h"

// What policies that go by the time of answers share: averages in EndpointLoad::latency that are forgotten in time.
namespace sluice::data {

inline constexpr float kDecaySeconds = 10;
// An attempt that fails costs so much at least: a pod that refuses at once would be the quickest of all.
inline constexpr float kFailureSeconds = 1;

// The share of what was known at `since` that still counts.
inline float kept_since(Instant since, Instant now) noexcept {
  const float gone = std::chrono::duration<float>(now - since).count();
  return gone <= 0 ? 1 : std::exp(-gone / kDecaySeconds);
}

// The average, less for the time in which nothing was learned; 0: nothing is known. Who was slow is tried again so.
inline float decayed_latency(const EndpointLoad& load, Instant now) noexcept {
  return load.since == Instant{} ? 0 : load.latency * kept_since(load.since, now);
}

inline float seconds_of(const AttemptOutcome& outcome) noexcept {
  if (outcome.how != AttemptOutcome::How::failed || outcome.seconds >= kFailureSeconds) return outcome.seconds;
  return kFailureSeconds;
}

// New ones begin at the mean of the others, so that they are not flooded.
inline void greet_newcomers(const Members& m) noexcept {
  double sum = 0;
  std::size_t count = 0;
  for (const EndpointLoad* load : m.endpoints)
    if (load->since != Instant{}) sum += decayed_latency(*load, m.now), ++count;
  if (count == 0) return;
  for (const auto at : m.newcomers) {
    EndpointLoad& load = *m.endpoints[at];
    if (load.since != Instant{}) continue;
    load.latency = static_cast<float>(sum / static_cast<double>(count));
    load.since = m.now;
  }
}

}  // namespace sluice::data
