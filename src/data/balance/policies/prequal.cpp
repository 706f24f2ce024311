#include <algorithm>
#include <array>
#include <bit>

#include "data/balance/draw.h"
#include "data/balance/latency.h"

// The rule of Prequal (Wydrowski et al., NSDI 2024) without its probes: pods of ingress-nginx's users answer none, so
// that requests in flight and times are those of this worker's own requests. Of a few endpoints by chance those are hot
// that have more in flight than most had lately. Where all are hot the one with the fewest gets the request, otherwise
// the quickest of the cold ones, however busy: load is what keeps one out, time is what is balanced.
namespace sluice::data {

namespace {

constexpr std::size_t kDrawn = 3;
// More in flight than so many per cent of those seen lately have: hot. The paper's choice is 2 to the power of -1/4.
constexpr std::uint32_t kHotFrom = 84;

// The requests in flight of the last endpoints that were looked at, as steps: each number below 32 is one, and of more
// there are sixteen for each doubling.
class Seen {
 public:
  using Step = std::uint8_t;
  static Step step_of(std::uint32_t in_flight) noexcept {
    if (in_flight < 32) return static_cast<Step>(in_flight);
    const auto doublings = static_cast<unsigned>(std::bit_width(in_flight)) - 5;
    return static_cast<Step>(std::min(16 * doublings + (in_flight >> doublings), kSteps - 1));
  }
  // More than kHotFrom of them.
  bool is_hot(Step step) const noexcept { return step > threshold_; }
  void add(Step step) noexcept {
    if (count_ == kMost) {
      const Step oldest = last_[next_];
      --times_[oldest];
      upto_ -= oldest <= threshold_ ? 1U : 0U;
    } else {
      ++count_;
    }
    last_[next_] = step;
    next_ = (next_ + 1) % kMost;
    ++times_[step];
    upto_ += step <= threshold_ ? 1U : 0U;
    // Mostly it is where it was.
    const std::uint32_t wanted = (count_ * kHotFrom + 99) / 100;
    while (upto_ < wanted) upto_ += times_[++threshold_];
    while (upto_ - times_[threshold_] >= wanted) upto_ -= times_[threshold_--];
  }

 private:
  static constexpr std::uint32_t kMost = 64, kSteps = 192;  // the last step: 31,744 and more
  std::array<Step, kMost> last_{};
  std::array<std::uint8_t, kSteps> times_{};       // how many there are of each
  std::uint32_t count_ = 0, next_ = 0, upto_ = 0;  // upto_: of steps up to the threshold
  Step threshold_ = 0;
};

// The average of its answers. A single slow one does not brand a pod: requests in flight tell of trouble first.
void learn_average(EndpointLoad& load, const AttemptOutcome& outcome, Instant now) noexcept {
  const float sample = seconds_of(outcome);
  const auto in_flight = static_cast<float>(std::max(load.in_flight, 1U));
  if (load.since == Instant{}) {
    if (outcome.how == AttemptOutcome::How::cut_short) return;
    load.latency = sample;
    load.among = in_flight;
  } else {
    // It would have taken so long at least, which says nothing where others take longer.
    if (outcome.how == AttemptOutcome::How::cut_short && sample <= load.latency) return;
    const float keeps = kept_since(load.since, now);
    load.latency = load.latency * keeps + sample * (1 - keeps);
    load.among = load.among * keeps + in_flight * (1 - keeps);
  }
  load.since = now;
}

class Prequal final : public Policy {
 public:
  explicit Prequal(std::uint64_t seed) : chance_(seed) {}
  std::size_t pick(const Candidates& c) noexcept override {
    const std::size_t n = c.takers.size();
    if (n == 0) return kNobody;
    std::array<std::size_t, kDrawn> places;
    std::array<Seen::Step, kDrawn> steps{};
    const std::size_t drawn = draw(n, places);
    std::size_t best = kNobody;
    Standing of_best;
    for (std::size_t i = 0; i < drawn; ++i) {
      const std::size_t at = c.takers[untried_from(c, places[i])];
      const EndpointLoad& load = *c.endpoints[at];
      const Seen::Step step = Seen::step_of(load.in_flight);
      const Standing standing{seen_.is_hot(step), load.in_flight, expected(load, c.now)};
      if (best == kNobody || standing.is_better_than(of_best)) best = at, of_best = standing;
      steps[i] = step;
    }
    for (std::size_t i = 0; i < drawn; ++i) seen_.add(steps[i]);
    return best;
  }
  void reconcile(const Members& m) override { greet_newcomers(m); }

 private:
  // Places of different takers, by chance; how many.
  std::size_t draw(std::size_t n, std::array<std::size_t, kDrawn>& out) noexcept {
    const std::size_t from = chance_.below(n);
    const auto behind = [&](std::size_t by) { return from + by < n ? from + by : from + by - n; };
    out[0] = from;
    if (n == 1) return 1;
    const std::size_t second = 1 + chance_.below(n - 1);
    out[1] = behind(second);
    if (n == 2) return 2;
    const std::size_t third = 1 + chance_.below(n - 2);
    out[2] = behind(third < second ? third : third + 1);
    return 3;
  }

  struct Standing {
    bool hot = false;
    std::uint32_t in_flight = 0;
    float seconds = 0;
    bool is_better_than(const Standing& other) const noexcept {
      if (hot != other.hot) return !hot;
      if (hot || seconds == other.seconds) return in_flight < other.in_flight;
      return seconds < other.seconds;
    }
  };
  // What an answer will take. The paper's pods say what it took lately with as many requests in flight as they have
  // now. Here it is less than the average in the proportion in which they are fewer than on average: an idle pod would
  // stay idle otherwise, as slow as it was when it was busy.
  static float expected(const EndpointLoad& load, Instant now) noexcept {
    // Who has answered nothing yet, and owes an answer, may never give one.
    if (load.since == Instant{}) return load.in_flight > 0 ? kFailureSeconds : 0;
    const float average = decayed_latency(load, now);
    const auto with_this = static_cast<float>(load.in_flight + 1);
    return with_this < load.among ? average * with_this / load.among : average;
  }

  Chance chance_;
  Seen seen_;
};

}  // namespace

extern const PolicyRow kPrequal;
const PolicyRow kPrequal{
    .name = "prequal",
    .make = [](std::uint64_t seed) -> std::unique_ptr<Policy> { return std::make_unique<Prequal>(seed); },
    .observe = learn_average,
    .doc =
        "of three by chance the one that answers soonest and has no more requests in flight than most; where all have, "
        "the one with the fewest"};

}  // namespace sluice::data
