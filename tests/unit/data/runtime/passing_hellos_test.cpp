// Which ClientHellos are on their way.
#include "data/runtime/passing_hellos.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace sluice::data {
namespace {

TEST(PassingHellos, OneThatIsThereHasComeBack) {
  auto hellos = std::make_unique<PassingHellos>();
  EXPECT_TRUE(hellos->enter(7));
  EXPECT_FALSE(hellos->enter(7));
  EXPECT_TRUE(hellos->enter(8));  // the place beside
  EXPECT_TRUE(hellos->enter(7 + (1 << 16)));
  EXPECT_FALSE(hellos->enter(7 + (1 << 16)));
  hellos->leave(7);
  EXPECT_TRUE(hellos->enter(7));
  EXPECT_FALSE(hellos->enter(8));
}

TEST(PassingHellos, AFullTableForgetsAndNeverBlames) {
  auto hellos = std::make_unique<PassingHellos>();
  constexpr std::uint64_t kStep = 1 << 16;  // all of the same places
  for (std::uint64_t i = 1; i <= 16; ++i) EXPECT_TRUE(hellos->enter(i * kStep));
  EXPECT_TRUE(hellos->enter(17 * kStep));
  EXPECT_TRUE(hellos->enter(17 * kStep)) << "it was not remembered, so it cannot have come back";
  hellos->leave(17 * kStep);
  for (std::uint64_t i = 1; i <= 16; ++i) EXPECT_FALSE(hellos->enter(i * kStep)) << i;
  EXPECT_TRUE(hellos->enter(0));
  EXPECT_TRUE(hellos->enter(0));
}

TEST(PassingHellos, ManyThreads) {
  auto hellos = std::make_unique<PassingHellos>();
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (std::uint64_t t = 1; t <= 4; ++t)
    threads.emplace_back([&, t] {
      for (std::uint64_t i = 0; i < 20'000; ++i) {
        const std::uint64_t mine = (t << 40) + i * 0x9e3779b9;
        if (!hellos->enter(mine)) ++wrong;
        if (hellos->enter(mine)) ++wrong;
        hellos->leave(mine);
      }
    });
  for (auto& t : threads) t.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace sluice::data
