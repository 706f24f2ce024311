#pragma once
#include <random>

#include "base/backoff.h"
#include "control/source/cluster/api_client.h"

namespace sluice::control::cluster {

// How long to wait before the API server is asked again: doubling, with a quarter of jitter, and at least as long as it
// wishes. A server that answers after it refused is on its way back: from the beginning then.
class Backoff {
 public:
  static constexpr auto kFirst = std::chrono::milliseconds(200);
  static constexpr auto kRefused = std::chrono::seconds(1);  // nobody listens: asking costs nothing
  static constexpr auto kLongest = std::chrono::seconds(5);

  explicit Backoff(std::uint64_t seed) : random_(static_cast<unsigned>(seed)) {}
  Duration next(const ApiError& error) {
    if (std::exchange(refused_, error.refused) && !error.refused) failures_ = 0;
    const Duration wait = doubled(kFirst, failures_++, error.refused ? Duration(kRefused) : Duration(kLongest));
    return std::max(jittered(wait, random_), error.retry_after);
  }
  void reset() noexcept { failures_ = 0; }
  unsigned failures() const noexcept { return failures_; }

 private:
  std::minstd_rand random_;
  unsigned failures_ = 0;
  bool refused_ = false;  // the last one
};

}  // namespace sluice::control::cluster
