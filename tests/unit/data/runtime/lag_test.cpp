#include "data/runtime/lag.h"

#include <gtest/gtest.h>

namespace sluice::data {
namespace {

using namespace std::chrono_literals;

// A worker that has a turn of `took` every so often.
struct Turns {
  FakeClock clock;
  LagMeter meter;
  int told = 0;
  void run(Duration span, Duration took, Duration idle, Duration waited = {}) {
    for (const Instant until = clock.now() + span; clock.now() < until;) {
      clock.advance(idle);
      const Instant begun = clock.now();
      clock.advance(took);
      told += meter.turn({begun, took, std::max(took, waited)});
    }
  }
};

TEST(LagMeter, IsWhatIsReadyWaitsByTheTimeThatTurnsTake) {
  Turns busy;
  busy.run(2s, 8ms, 0ms);
  EXPECT_NEAR(static_cast<double>(busy.meter.lag().count()), 8e6, 1e5);
  busy.run(2s, 8ms, 8ms);
  EXPECT_NEAR(static_cast<double>(busy.meter.lag().count()), 4e6, 4e5) << "half of the time it has nothing to do";
  busy.run(2s, 8ms, 0ms, 40ms);
  EXPECT_NEAR(static_cast<double>(busy.meter.lag().count()), 4e7, 1e6) << "not all fits into a turn";
}

TEST(LagMeter, ShortTurnsAreSummedUpToTheSame) {
  Turns few, many;
  few.run(2s, 900us, 100us);
  many.run(2s, 90us, 10us);
  EXPECT_NEAR(static_cast<double>(few.meter.lag().count()), 9e5 * 0.9, 2e4);
  EXPECT_NEAR(static_cast<double>(many.meter.lag().count()), 9e4 * 0.9, 2e3);
  EXPECT_NEAR(many.told, 2000, 5) << "a millisecond each, not a turn";
}

TEST(LagMeter, OneLongTurnMakesAQuarter) {
  Turns once;
  once.run(1s, 100us, 900us);
  once.run(1us, 10s, 0ms);
  EXPECT_NEAR(static_cast<double>(once.meter.lag().count()), 2.5e9, 1e7);
  once.run(2s, 100us, 900us);
  EXPECT_LT(once.meter.lag(), 1ms);
}

}  // namespace
}  // namespace sluice::data
