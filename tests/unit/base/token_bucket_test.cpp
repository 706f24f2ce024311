#include "base/token_bucket.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

using std::chrono::seconds;

struct TokenBucketTest : testing::Test {
  FakeClock clock;
  TokenBucket bucket;

  Duration wait() { return bucket.wait(clock.now(), 3, seconds(10)); }
  unsigned spend_all() {
    unsigned spent = 0;
    for (; wait() == Duration(0); ++spent) bucket.spend();
    return spent;
  }
};

TEST_F(TokenBucketTest, is_full_at_the_beginning_and_no_fuller_later) {
  EXPECT_EQ(spend_all(), 3U);
  clock.advance(seconds(1000));
  EXPECT_EQ(spend_all(), 3U);
}

TEST_F(TokenBucketTest, gives_one_each_time_after_that) {
  spend_all();
  for (int i = 0; i < 100; ++i) {
    EXPECT_GT(wait(), Duration(0));
    clock.advance(seconds(10));
    EXPECT_EQ(spend_all(), 1U);
  }
}

TEST_F(TokenBucketTest, says_how_long_to_wait) {
  spend_all();
  EXPECT_EQ(wait(), seconds(10));
  clock.advance(seconds(4));
  EXPECT_NEAR(static_cast<double>(wait().count()), 6e9, 1e3);
  clock.advance(wait());
  EXPECT_EQ(wait(), Duration(0));
}

TEST_F(TokenBucketTest, asking_costs_nothing) {
  for (int i = 0; i < 10; ++i) EXPECT_EQ(wait(), Duration(0));
  EXPECT_EQ(spend_all(), 3U);
}

}  // namespace
}  // namespace sluice
