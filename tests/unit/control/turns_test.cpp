// Work by namespace.
#include "control/source/cluster/turns.h"

#include <gtest/gtest.h>

namespace sluice::control::cluster {
namespace {

std::string all(Turns<std::string>& turns) {
  std::string out;
  while (!turns.empty()) (out += turns.next()) += ' ';
  return out;
}

TEST(Turns, one_with_much_to_do_holds_up_no_other) {
  Turns<std::string> turns;
  for (const char* work : {"a1", "a2", "a3", "a4", "b1", "c1", "c2"}) turns.add({work, 1}, work);
  EXPECT_EQ(turns.waiting("a"), 4U);
  EXPECT_EQ(turns.waiting("d"), 0U);
  EXPECT_EQ(all(turns), "a1 b1 c1 a2 c2 a3 a4 ");
}

TEST(Turns, what_failed_and_comes_back_has_its_turn_after_the_others) {
  Turns<std::string> turns;
  turns.add("a", "fails");
  for (const char* work : {"a2", "b1", "b2"}) turns.add({work, 1}, work);
  std::string seen;
  for (int i = 0; i < 6; ++i) {
    const std::string work = turns.next();
    (seen += work) += ' ';
    if (work == "fails") turns.add("a", work);
  }
  EXPECT_EQ(seen, "fails b1 a2 b2 fails fails ");
}

TEST(Turns, a_namespace_that_comes_meanwhile_waits_for_one_turn_of_each_other) {
  Turns<std::string> turns;
  for (const char* work : {"b1", "b2", "c1", "c2"}) turns.add({work, 1}, work);
  EXPECT_EQ(turns.next(), "b1");
  turns.add("a", "a1");
  EXPECT_EQ(all(turns), "c1 a1 b2 c2 ");
}

}  // namespace
}  // namespace sluice::control::cluster
