// What ends a wait, and what does not.
#include "control/source/cluster/waiter.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>

namespace sluice::control::cluster {
namespace {

using std::chrono::hours;

struct WaiterTest : testing::Test {
  boost::asio::io_context io;
  Waiter waiter{io};
  bool done = false;

  // Runs `wait` as far as it goes without time passing.
  void begin(boost::asio::awaitable<void> wait) {
    done = false;
    boost::asio::co_spawn(io, std::move(wait), [this](std::exception_ptr) { done = true; });
    go();
  }
  void go() {
    io.restart();
    io.poll();
  }
};

TEST_F(WaiterTest, news_ends_a_wait_for_it) {
  begin(waiter.for_news(hours(1)));
  EXPECT_FALSE(done);
  waiter.news();
  go();
  EXPECT_TRUE(done);
  begin(waiter.for_news(hours(1)));
  EXPECT_FALSE(done);  // it was heard once
}

TEST_F(WaiterTest, news_that_came_before_is_not_lost) {
  waiter.news();
  waiter.news();
  begin(waiter.for_news(hours(1)));
  EXPECT_TRUE(done);
  begin(waiter.for_news(hours(1)));
  EXPECT_FALSE(done);
}

TEST_F(WaiterTest, news_does_not_end_a_rest) {
  begin(waiter.rest(hours(1)));
  waiter.news();
  go();
  EXPECT_FALSE(done);
  waiter.stop();
  go();
  EXPECT_TRUE(done);
}

TEST_F(WaiterTest, news_of_a_rest_counts_afterwards) {
  begin(waiter.rest(std::chrono::nanoseconds(0)));
  EXPECT_TRUE(done);
  waiter.news();
  begin(waiter.rest(std::chrono::nanoseconds(0)));
  EXPECT_TRUE(done);
  begin(waiter.for_news(hours(1)));
  EXPECT_TRUE(done);
}

TEST_F(WaiterTest, once_stopped_nothing_waits) {
  begin(waiter.for_news(hours(1)));
  waiter.stop();
  go();
  EXPECT_TRUE(done && waiter.stopped());
  begin(waiter.for_news(hours(1)));
  EXPECT_TRUE(done);
  begin(waiter.rest(hours(1)));
  EXPECT_TRUE(done);
}

TEST_F(WaiterTest, a_wait_ends_by_itself) {
  begin(waiter.for_news(std::chrono::milliseconds(1)));
  io.restart();
  io.run();
  EXPECT_TRUE(done);
}

}  // namespace
}  // namespace sluice::control::cluster
