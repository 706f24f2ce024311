// Passive health of endpoints and the budget of further tries: what counts, for how long, and what does not.
#include "data/runtime/health.h"

#include <gtest/gtest.h>

#include "data/runtime/retry_budget.h"

namespace sluice::data {
namespace {

using namespace std::chrono_literals;

const Instant kBegin = Instant() + 1h;

model::Options after(std::uint32_t failures) {
  model::Options o;
  o.outlier_consecutive_failures = failures;
  o.outlier_ejection_time = 10s;
  o.outlier_max_ejection_time = 25s;
  return o;
}

TEST(EndpointHealth, FailuresInARowCount) {
  EndpointHealth health;
  const auto options = after(3);
  EXPECT_FALSE(health.failed(options, kBegin) || health.failed(options, kBegin));
  health.succeeded(kBegin);
  EXPECT_FALSE(health.failed(options, kBegin) || health.failed(options, kBegin));
  EXPECT_FALSE(health.is_out(kBegin));
  EXPECT_TRUE(health.failed(options, kBegin));
  EXPECT_TRUE(health.is_out(kBegin + 9s));
  EXPECT_FALSE(health.is_out(kBegin + 10s));
  EXPECT_EQ(health.since(), kBegin);
}

TEST(EndpointHealth, BackAgainOneFailureIsEnoughAndTheTimeGrowsToItsEnd) {
  EndpointHealth health;
  const auto options = after(3);
  for (int i = 0; i < 3; ++i) health.failed(options, kBegin);
  Instant now = kBegin;
  for (const auto out : {10s, 20s, 25s, 25s}) {
    EXPECT_TRUE(health.is_out(now + out - 1ms));
    EXPECT_FALSE(health.is_out(now + out));
    now += out;
    EXPECT_TRUE(health.failed(options, now));
  }
  // Each ten seconds in health take one of the times away; ten of them all of these.
  now = health.until();
  health.succeeded(now);
  now += 100s;
  EXPECT_FALSE(health.failed(options, now) || health.failed(options, now));
  EXPECT_TRUE(health.failed(options, now));
  EXPECT_EQ(health.until(), now + 10s);
}

// What ails all of them: the times do not grow with the length of it.
TEST(EndpointHealth, WhoIsAskedAllTheSameIsNotOutForLonger) {
  EndpointHealth health;
  const auto options = after(1);
  Instant now = kBegin;
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(health.failed(options, now, true));
    EXPECT_EQ(health.until(), now + 10s);
    now = health.until();
  }
  EXPECT_TRUE(health.failed(options, now));
  EXPECT_EQ(health.until(), now + 20s);
}

TEST(EndpointHealth, WhoIsCalledBackHasYetToAnswer) {
  EndpointHealth health;
  const auto options = after(3);
  EXPECT_FALSE(health.call_back(kBegin)) << "it is not out";
  for (int i = 0; i < 3; ++i) health.failed(options, kBegin);
  EXPECT_TRUE(health.call_back(kBegin + 1s));
  EXPECT_FALSE(health.is_out(kBegin + 1s));
  EXPECT_TRUE(health.is_unproven());
  EXPECT_TRUE(health.failed(options, kBegin + 1s)) << "one failure is enough";
  EXPECT_TRUE(health.call_back(kBegin + 2s));
  health.succeeded(kBegin + 2s);
  EXPECT_FALSE(health.is_unproven());
}

// A machine that does not answer is not asked five times, two seconds each.
TEST(EndpointHealth, OneWhoseMachineDoesNotAnswerIsOutAtOnce) {
  EndpointHealth health;
  const auto options = after(5);
  EXPECT_TRUE(health.lost(options, kBegin));
  EXPECT_FALSE(health.lost(options, kBegin + 1s)) << "it is out already";
  EXPECT_TRUE(health.is_out(kBegin + 9s));
  EXPECT_FALSE(health.is_out(kBegin + 10s));
  EXPECT_FALSE(EndpointHealth().lost(after(0), kBegin)) << "nobody is left out";
}

TEST(EndpointHealth, WhatWasAskedBeforeSaysNothingOnceItIsOut) {
  EndpointHealth health;
  const auto options = after(1);
  EXPECT_TRUE(health.failed(options, kBegin));
  health.succeeded(kBegin + 1s);
  EXPECT_FALSE(health.failed(options, kBegin + 2s));
  EXPECT_EQ(health.until(), kBegin + 10s) << "nor does it make the time longer";
  EXPECT_EQ(health.times(), 1U);
}

TEST(EndpointHealth, IsNotAskedForWithoutTheOption) {
  EndpointHealth health;
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(health.failed(after(0), kBegin));
}

// What one endpoint takes, answer by answer.
void answers(EndpointHealth& health, int count, float seconds, Instant now = kBegin) {
  for (int i = 0; i < count; ++i) health.answered(seconds, now);
}

TEST(EndpointHealth, WhatItTakesIsKnownOnceItHasAnsweredOftenEnough) {
  EndpointHealth health;
  answers(health, EndpointHealth::kEnoughAnswers - 1, 0.2F);
  EXPECT_EQ(health.typical_seconds(), 0);
  answers(health, 1, 0.2F);
  EXPECT_NEAR(health.typical_seconds(), 0.2F, 1e-4F);
  answers(health, 1, 3.4F);
  EXPECT_NEAR(health.typical_seconds(), 0.3F, 1e-3F) << "one that is slow is a part of it";
  answers(health, 400, 0.01F);
  EXPECT_NEAR(health.typical_seconds(), 0.01F, 1e-3F) << "what was long ago is forgotten";
}

TEST(EndpointHealth, WhoIsTooSlowIsOutAsLongAsWhoFailsAndThenUnknown) {
  EndpointHealth health;
  const auto options = after(0);
  answers(health, 100, 5);
  EXPECT_TRUE(health.too_slow(options, kBegin));
  EXPECT_FALSE(health.too_slow(options, kBegin + 1s)) << "it is out already";
  answers(health, 100, 5, kBegin + 1s);  // asked before
  EXPECT_EQ(health.typical_seconds(), 0);
  EXPECT_EQ(health.until(), kBegin + 10s);
  EXPECT_TRUE(health.too_slow(options, kBegin + 10s));
  EXPECT_EQ(health.until(), kBegin + 30s) << "the second time takes twice as long";
}

TEST(EndpointHealth, ChecksAndEjectionsKnowNothingOfEachOther) {
  EndpointHealth health;
  health.unwell(kBegin);
  EXPECT_TRUE(health.is_out(kBegin) && health.is_unwell() && !health.is_ejected(kBegin));
  EXPECT_EQ(health.out_since(kBegin + 5s), kBegin);
  health.succeeded(kBegin + 1s);  // a request, which does not make it well
  EXPECT_TRUE(health.is_out(kBegin + 1h));
  EXPECT_TRUE(health.failed(after(1), kBegin + 5s));
  EXPECT_EQ(health.out_since(kBegin + 6s), kBegin) << "since the earlier of both";
  health.well();
  EXPECT_TRUE(health.is_out(kBegin + 14s)) << "well as checks say, and still ejected";
  EXPECT_EQ(health.out_since(kBegin + 14s), kBegin + 5s);
  EXPECT_FALSE(health.is_out(kBegin + 15s));
}

TEST(EndpointHealth, OfTwoThatCheckItBothHaveToFindItWell) {
  EndpointHealth health;
  health.unwell(kBegin);
  health.unwell(kBegin + 5s);
  EXPECT_EQ(health.out_since(kBegin + 5s), kBegin);
  health.well();
  EXPECT_TRUE(health.is_out(kBegin + 6s));
  health.well();
  EXPECT_FALSE(health.is_out(kBegin + 6s));
  health.unwell(kBegin + 20s);
  EXPECT_EQ(health.out_since(kBegin + 20s), kBegin + 20s);
}

TEST(CheckResults, SoManyInARowTurnIt) {
  using enum CheckResults::Change;
  model::HealthCheck check;
  check.unhealthy_after = 3;
  check.healthy_after = 2;
  CheckResults results;
  EXPECT_FALSE(results.is_unwell()) << "until it has failed";
  EXPECT_EQ(results.take(false, check), none);
  EXPECT_EQ(results.take(false, check), none);
  EXPECT_EQ(results.take(true, check), none) << "which ends the row";
  for (const auto change : {none, none, unwell, none}) EXPECT_EQ(results.take(false, check), change);
  EXPECT_TRUE(results.is_unwell());
  EXPECT_EQ(results.take(true, check), none);
  EXPECT_EQ(results.take(false, check), none) << "likewise";
  for (const auto change : {none, well, none}) EXPECT_EQ(results.take(true, check), change);
  EXPECT_FALSE(results.is_unwell());
  check.unhealthy_after = check.healthy_after = 1;
  EXPECT_EQ(results.take(false, check), unwell);
  EXPECT_EQ(results.take(true, check), well);
  results.begin_unwell();
  EXPECT_EQ(results.take(false, check), none);
  EXPECT_EQ(results.take(true, check), well);
}

TEST(HealthTable, CountsBothKindsAndFindsWhomSomebodyHolds) {
  HealthTable table;
  const auto one = table.of("a", "10.0.0.1|80|pod"), two = table.of("a", "10.0.0.2|80|pod");
  one->unwell(kBegin);
  two->unwell(kBegin);
  two->failed(after(1), kBegin);
  EXPECT_EQ(table.count(kBegin).unwell, 2U);
  EXPECT_EQ(table.count(kBegin).ejected, 1U);
  EXPECT_EQ(table.find("a", "10.0.0.1|80|pod"), one);
  EXPECT_EQ(table.find("b", "10.0.0.1|80|pod"), nullptr);
  model::Endpoint endpoint;
  endpoint.address = "10.0.0.1";
  endpoint.port = 80;
  endpoint.pod = "pod";
  EXPECT_EQ(identity_of(endpoint), "10.0.0.1|80|pod");
}

TEST(HealthTable, AnEndpointOfANamespaceHasOneState) {
  HealthTable table;
  const auto one = table.of("a", "10.0.0.1|80|pod");
  EXPECT_EQ(table.of("a", "10.0.0.1|80|pod"), one);
  EXPECT_NE(table.of("b", "10.0.0.1|80|pod"), one) << "another namespace cannot put it out";
  EXPECT_NE(table.of("a", "10.0.0.1|80|next"), one) << "another pod at the same address is another endpoint";
  EXPECT_EQ(table.count(kBegin).ejected, 0U);
  one->failed(after(1), kBegin);
  EXPECT_EQ(table.count(kBegin).ejected, 1U);
  EXPECT_EQ(table.count(kBegin + 10s).ejected, 0U);
}

TEST(HealthTable, AChangeConcernsItsNamespace) {
  HealthTable table;
  const auto a = HealthTable::slot_of("a");
  std::size_t others = 0;
  for (int i = 0; i < 64; ++i) others += HealthTable::slot_of("other-" + std::to_string(i)) != a;
  EXPECT_GT(others, 32U) << "of 64 namespaces most have another slot";
  table.changed("a");
  for (std::size_t slot = 0; slot < HealthTable::kSlots; ++slot) EXPECT_EQ(table.changes(slot), slot == a ? 1U : 0U);
}

TEST(HealthTable, ForgetsWhoIsGone) {
  HealthTable table;
  for (int i = 0; i < 10'000; ++i) table.of("a", std::to_string(i));
  const auto held = table.of("a", "1");
  held->failed(after(1), kBegin);
  EXPECT_EQ(table.count(kBegin).ejected, 1U);
  EXPECT_EQ(table.of("a", "1"), held);
}

TEST(LeftOut, AShareOneAtLeastAndNeverAll) {
  EXPECT_EQ(most_left_out(0, 50), 0U);
  EXPECT_EQ(most_left_out(1, 100), 0U) << "the last one stays";
  EXPECT_EQ(most_left_out(2, 1), 1U);
  EXPECT_EQ(most_left_out(2, 100), 1U);
  EXPECT_EQ(most_left_out(9, 10), 1U);
  EXPECT_EQ(most_left_out(10, 50), 5U);
  EXPECT_EQ(most_left_out(10, 100), 9U);
}

TEST(RetryBudget, IsAShareOfTenSecondsAndSoManyInAnyCase) {
  RetryBudget budget(1);
  Instant now = kBegin;
  for (int i = 0; i < 1000; ++i) budget.asked(now);
  int taken = 0;
  while (budget.take(now, 20, 10)) ++taken;
  EXPECT_EQ(taken, 200);
  EXPECT_FALSE(budget.take(now + 9s, 20, 10));
  // Both are forgotten after ten seconds.
  now += 10s;
  taken = 0;
  while (budget.take(now, 20, 1)) ++taken;
  EXPECT_EQ(taken, 10) << "one a second, of ten";
  now += 100s;
  EXPECT_FALSE(budget.take(now, 20, 0)) << "a share of nothing";
  for (int i = 0; i < 5; ++i) budget.asked(now);
  EXPECT_TRUE(budget.take(now, 20, 0));
  EXPECT_FALSE(budget.take(now, 20, 0));
}

// What four workers may in any case is together what one may; less than one of ten seconds is one.
TEST(RetryBudget, WorkersShareWhatMayBeInAnyCase) {
  const auto most = [](unsigned workers, std::uint32_t least_a_second) {
    RetryBudget budget(workers);
    for (int i = 0; i < 150; ++i) budget.asked(kBegin);
    int taken = 0;
    while (budget.take(kBegin, 10, least_a_second)) ++taken;
    return taken;
  };
  EXPECT_EQ(most(1, 10), 100);
  EXPECT_EQ(most(4, 10), 25);
  EXPECT_EQ(most(8, 10), 15) << "the share of its requests is more";
  RetryBudget quiet(64);
  EXPECT_TRUE(quiet.take(kBegin, 10, 1));
  EXPECT_FALSE(quiet.take(kBegin, 10, 1));
}

TEST(RetryBudget, SecondsGoOneByOne) {
  RetryBudget budget(1);
  for (int second = 0; second < 30; ++second) {
    const Instant now = kBegin + std::chrono::seconds(second);
    for (int i = 0; i < 10; ++i) budget.asked(now);
    int taken = 0;
    while (budget.take(now, 50, 0)) ++taken;
    EXPECT_EQ(taken, 5) << second;
  }
}

}  // namespace
}  // namespace sluice::data
