// How long a change may wait for what it names: simulated time.
#include "control/hold.h"

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

using std::chrono::milliseconds;

TEST(Hold, AChangeWaitsForItsAnswerOrForASecond) {
  FakeClock clock;
  Hold hold;
  EXPECT_FALSE(hold.holds(false, true, clock.now()));
  EXPECT_TRUE(hold.holds(true, false, clock.now()));
  clock.advance(milliseconds(50));
  EXPECT_TRUE(hold.holds(false, false, clock.now()));
  EXPECT_FALSE(hold.holds(false, true, clock.now()));
  EXPECT_TRUE(hold.holds(true, false, clock.now()));
  clock.advance(Hold::kMost);
  EXPECT_FALSE(hold.holds(false, false, clock.now()));
}

// A tenant that names another Secret each time would hold up everybody's changes for ever.
TEST(Hold, WhoNamesOthersAgainAndAgainHoldsUpNobodyForLonger) {
  FakeClock clock;
  Hold hold;
  for (int round = 0; round < 10; ++round) {
    const Instant first = clock.now();
    while (hold.holds(true, false, clock.now())) {
      clock.advance(milliseconds(100));
      ASSERT_LE(clock.now() - first, Hold::kMost) << round;
    }
    clock.advance(milliseconds(50));
  }
}

}  // namespace
}  // namespace sluice::control
