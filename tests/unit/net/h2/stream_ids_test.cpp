// Which streams a peer may still open (RFC 9113 section 5.1.1).
#include "net/h2/stream_ids.h"

#include <gtest/gtest.h>

namespace sluice::net::h2 {
namespace {

TEST(StreamIds, rise_and_are_odd) {
  StreamIds ids;
  EXPECT_FALSE(ids.opens(2));
  EXPECT_TRUE(ids.opens(1));
  EXPECT_FALSE(ids.opens(1));
  EXPECT_TRUE(ids.opens(3));
  EXPECT_TRUE(ids.opens(INT32_MAX));
  EXPECT_FALSE(ids.opens(5));
  EXPECT_EQ(ids.last(), INT32_MAX);
}

TEST(StreamIds, those_left_out_are_known) {
  StreamIds ids;
  ids.opens(5);
  ids.opens(7);
  ids.opens(13);
  for (const int id : {1, 3, 9, 11}) EXPECT_TRUE(ids.left_out(id)) << id;
  for (const int id : {5, 7, 13, 15}) EXPECT_FALSE(ids.left_out(id)) << id;
}

TEST(StreamIds, the_oldest_gaps_are_forgotten) {
  StreamIds ids;
  for (int i = 0; i < 17; ++i) ids.opens(3 + 4 * i);  // leaves out 1, 5, 9, …
  EXPECT_FALSE(ids.left_out(1));
  for (int i = 1; i < 17; ++i) EXPECT_TRUE(ids.left_out(1 + 4 * i)) << i;
}

TEST(StreamIds, the_last_64_that_we_closed_are_known) {
  StreamIds ids;
  EXPECT_FALSE(ids.was_closed_by_us(1));
  for (int i = 0; i < 65; ++i) ids.closed_by_us(1 + 2 * i);
  EXPECT_FALSE(ids.was_closed_by_us(1));
  for (int i = 1; i < 65; ++i) EXPECT_TRUE(ids.was_closed_by_us(1 + 2 * i)) << i;
}

}  // namespace
}  // namespace sluice::net::h2
