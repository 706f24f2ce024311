// How long the API server is left in peace.
#include "control/source/cluster/backoff.h"

#include <gtest/gtest.h>

namespace sluice::control::cluster {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

ApiError refusal() {
  ApiError error(0, "connection refused");
  error.refused = true;
  return error;
}

void expect_about(Duration wait, Duration most) {
  EXPECT_LE(wait, most);
  EXPECT_GT(wait, most - most / 4 - milliseconds(1));
}

TEST(Backoff, doubles_up_to_five_seconds) {
  Backoff backoff(1);
  const ApiError error(500, "");
  for (const auto most : {milliseconds(200), milliseconds(400), milliseconds(800), milliseconds(1600),
                          milliseconds(3200), milliseconds(5000), milliseconds(5000)})
    expect_about(backoff.next(error), most);
  for (int i = 0; i < 100; ++i) expect_about(backoff.next(error), seconds(5));
  backoff.reset();
  expect_about(backoff.next(error), milliseconds(200));
}

TEST(Backoff, heeds_the_wish_of_the_server) {
  Backoff backoff(1);
  EXPECT_EQ(backoff.next({429, "", seconds(30)}), seconds(30));
  expect_about(backoff.next({429, "", milliseconds(1)}), milliseconds(400));
}

TEST(Backoff, waits_a_second_at_most_while_nobody_listens) {
  Backoff backoff(1);
  for (int i = 0; i < 20; ++i) EXPECT_LE(backoff.next(refusal()), seconds(1));
  // It answers, if with an error: it is on its way back.
  expect_about(backoff.next({503, ""}), milliseconds(200));
}

TEST(Backoff, those_that_fail_together_come_back_apart) {
  Backoff one(1), other(2);
  const ApiError error(500, "");
  EXPECT_NE(one.next(error), other.next(error));
}

}  // namespace
}  // namespace sluice::control::cluster
