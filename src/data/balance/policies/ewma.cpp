#include <algorithm>

#include "data/balance/draw.h"
#include "data/balance/latency.h"

// Peak EWMA, as Finagle has it: the expected time of an answer is a moving average that forgets in ten seconds, that a
// slower answer raises at once and quicker ones lower bit by bit; times the requests that wait for one already. Of two
// endpoints by chance the cheaper one gets the request.
namespace sluice::data {

namespace {

// What a pod without any time to its name counts with: the requests in flight decide.
constexpr float kUnknownSeconds = 1e-6F;

void learn_latency(EndpointLoad& load, const AttemptOutcome& outcome, Instant now) noexcept {
  const float average = decayed_latency(load, now);
  const float sample = seconds_of(outcome);
  if (sample >= average) {
    load.latency = sample;
  } else {
    if (outcome.how == AttemptOutcome::How::cut_short) return;  // it says nothing of how quick the pod is
    const float keeps = kept_since(load.since, now);
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
      const float latency = owes ? kFailureSeconds : std::max(decayed_latency(load, now), kUnknownSeconds);
      return latency * static_cast<float>(load.in_flight + 1);
    };
    return pick_better(c, chance_, 2, [&](const EndpointLoad& a, const EndpointLoad& b) { return cost(a) < cost(b); });
  }
  void reconcile(const Members& m) override { greet_newcomers(m); }

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
