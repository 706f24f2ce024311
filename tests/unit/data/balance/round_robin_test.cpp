#include <gtest/gtest.h>

#include <map>

#include "data/balance/policy.h"

namespace sluice::data {
namespace {

std::unique_ptr<Policy> make(std::string_view name, std::uint64_t seed) {
  for (const auto& row : policies())
    if (row.name == name) return row.make(seed);
  return nullptr;
}

// The contract of every policy in the registry.
TEST(Policies, NeverChooseWhatTakesNoRequestsAndPreferTheUntried) {
  for (const auto& row : policies()) {
    auto policy = row.make(7);
    const std::vector<std::uint8_t> usable{0, 1, 1, 0, 1};
    for (int i = 0; i < 100; ++i) {
      const std::vector<std::uint32_t> tried{1, 4};
      EXPECT_EQ(policy->pick({usable, tried}), 2u) << row.name;
    }
    const std::vector<std::uint32_t> all{1, 2, 4};
    for (int i = 0; i < 100; ++i) EXPECT_EQ(usable.at(policy->pick({usable, all})), 1) << row.name;
    const std::vector<std::uint8_t> none{0, 0};
    EXPECT_EQ(policy->pick({none, {}}), 2u) << row.name;
    EXPECT_EQ(policy->pick({{}, {}}), 0u) << row.name;
  }
}

TEST(RoundRobin, GivesEachItsTurn) {
  auto policy = make("round_robin", 1);
  ASSERT_TRUE(policy);
  const std::vector<std::uint8_t> usable{1, 1, 1};
  std::map<std::size_t, int> count;
  for (int i = 0; i < 300; ++i) ++count[policy->pick({usable, {}})];
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(count[i], 100);
}

TEST(RoundRobin, WorkersBeginAtDifferentPlaces) {
  const std::vector<std::uint8_t> usable{1, 1, 1};
  EXPECT_NE(make("round_robin", 0)->pick({usable, {}}), make("round_robin", 1)->pick({usable, {}}));
}

}  // namespace
}  // namespace sluice::data
