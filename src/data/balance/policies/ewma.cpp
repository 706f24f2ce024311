#include <algorithm>
#include <chrono>
#include <cmath>

#include "data/balance/draw.h"

// Peak EWMA, as Finagle has it: the expected time of an answer is a moving average that forgets in ten seconds, that a
// slower answer raises at once and quicker ones lower bit by bit; times the requests that wait for one already. Of two
// endpoints by chance the cheaper one gets the request.
namespace sluice::data {

namespace {

constexpr float kDecaySeconds = 10;
// An attempt that fails costs so much at least: a pod that refuses at once would be the quickest of all.
constexpr float kFailureSeconds = 1;
// What a pod without any time to its name counts with: the requests in flight decide.
constexpr float kUnknownSeconds = 1e-6F;

float decayed(const EndpointLoad& load, Instant now) noexcept {
  if (load.since == Instant{}) return 0;
  const float gone = std::chrono::duration<float>(now - load.since).count();
  return gone <= 0 ? load.latency : load.latency * std::exp(-gone / kDecaySeconds);
}

void learn_latency(EndpointLoad& load, const AttemptOutcome& outcome, Instant now) noexcept {
  using enum AttemptOutcome::How;
  const float average = decayed(load, now);
  const float sample = outcome.how == failed ? std::max(outcome.seconds, kFailureSeconds) : outcome.seconds;
  if (sample >= average) {
    load.latency = sample;
  } else {
    if (outcome.how == cut_short) return;  // it says nothing of how quick the pod is
    const float gone = std::chrono::duration<float>(now - load.since).count();
    const float keeps = std::exp(-std::max(gone, 0.0F) / kDecaySeconds);
    load.latency = load.latency * keeps + sample * (1 - keeps);
  }
  load.since = now;
}

class Ewma final : public Policy {
 public:
  explicit Ewma(std::uint64_t seed) : chance_(seed) {}
  std::size_t pick(const Candidates& c) noexcept override {
    const auto cost = [now = c.now](const EndpointLoad& load) {
      // Who has answered nothing yet, and owes an answer, may never give one.
      const bool owes = load.since == Instant{} && load.in_flight > 0;
      const float latency = owes ? kFailureSeconds : std::max(decayed(load, now), kUnknownSeconds);
      return latency * static_cast<float>(load.in_flight + 1);
    };
    return pick_better(c, chance_, 2, [&](const EndpointLoad& a, const EndpointLoad& b) { return cost(a) < cost(b); });
  }
  // New ones begin at the mean of the others, so that they are not flooded.
  void reconcile(const Members& m) override {
    double sum = 0;
    std::size_t count = 0;
    for (const EndpointLoad* load : m.endpoints)
      if (load->since != Instant{}) sum += decayed(*load, m.now), ++count;
    if (count == 0) return;
    for (const auto at : m.newcomers) {
      EndpointLoad& load = *m.endpoints[at];
      if (load.since != Instant{}) continue;
      load.latency = static_cast<float>(sum / static_cast<double>(count));
      load.since = m.now;
    }
  }

 private:
  Chance chance_;
};

}  // namespace

extern const PolicyRow kEwma;
const PolicyRow kEwma{
    .name = "ewma",
    .make = [](std::uint64_t seed) -> std::unique_ptr<Policy> { return std::make_unique<Ewma>(seed); },
    .observe = learn_latency,
    .doc =
        "peak EWMA: of two by chance the one that answers sooner, as its last answers and its requests in flight "
        "say"};

}  // namespace sluice::data
