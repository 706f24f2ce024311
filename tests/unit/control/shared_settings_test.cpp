#include "control/kube/shared_settings.h"

#include <gtest/gtest.h>

#include <set>

namespace sluice::control {
namespace {

model::RouteSettings with_tries(unsigned tries) {
  model::RouteSettings s;
  s.tries = tries;
  return s;
}

TEST(SharedSettings, EqualOnesAreOneObjectAndOthersAreNot) {
  SharedSettings shared;
  const auto one = shared.of(with_tries(3)), same = shared.of(with_tries(3)), other = shared.of(with_tries(4));
  EXPECT_EQ(one.get(), same.get());
  EXPECT_NE(one.get(), other.get());
  EXPECT_EQ(one->tries, 3u);
  EXPECT_EQ(other->tries, 4u);
  EXPECT_EQ(shared.of({}).get(), shared.of({}).get());
}

// Fields outside the hash decide, too.
TEST(SharedSettings, OnesWithEqualHashesAreCompared) {
  SharedSettings shared;
  model::RouteSettings quiet;
  quiet.access_log = !quiet.access_log;
  const auto a = shared.of({}), b = shared.of(quiet);
  EXPECT_NE(a.get(), b.get());
  EXPECT_NE(a->access_log, b->access_log);
  EXPECT_EQ(shared.of(quiet).get(), b.get());
}

TEST(SharedSettings, ThoseThatNobodyHoldsAreLetGo) {
  SharedSettings shared;
  const auto kept = shared.of(with_tries(1));
  for (unsigned i = 2; i < 1000; ++i) shared.of(with_tries(i));
  EXPECT_LE(shared.size(), 64u);
  EXPECT_EQ(shared.of(with_tries(1)).get(), kept.get());
  EXPECT_EQ(shared.of(with_tries(999))->tries, 999u);
}

}  // namespace
}  // namespace sluice::control
