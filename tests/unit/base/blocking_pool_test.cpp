#include "base/blocking_pool.h"

#include <gtest/gtest.h>

#include <functional>
#include <future>

namespace sluice {
namespace {

struct Task final : BlockingPool::Job {
  explicit Task(std::function<void()> f) : what(std::move(f)) {}
  std::function<void()> what;
  void run() noexcept override { what(); }
};
std::shared_ptr<Task> task(std::function<void()> what) {
  return std::make_shared<Task>(std::move(what));
}

// A pool whose only thread is busy until it is let go.
struct Busy : ::testing::Test {
  Busy() {
    std::promise<void> began;
    EXPECT_TRUE(pool.submit("busy", task([&, go = let_go.get_future().share()] {
                              began.set_value();
                              go.wait();
                            })));
    began.get_future().wait();
  }
  std::promise<void> let_go;
  BlockingPool pool{1};
};

TEST(BlockingPool, RunsWhatItIsGivenOnAThreadOfItsOwn) {
  BlockingPool pool(2);
  std::promise<std::thread::id> ran;
  ASSERT_TRUE(pool.submit("a", task([&] { ran.set_value(std::this_thread::get_id()); })));
  EXPECT_NE(ran.get_future().get(), std::this_thread::get_id());
}

TEST_F(Busy, GivesThoseWhoAskTurns) {
  std::string order;
  std::promise<void> done;
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(pool.submit("a", task([&] { order += 'a'; })));
  ASSERT_TRUE(pool.submit("b", task([&] { order += 'b'; })));
  ASSERT_TRUE(pool.submit("c", task([&] { order += 'c'; })));
  ASSERT_TRUE(pool.submit("a", task([&] { done.set_value(); })));
  let_go.set_value();
  done.get_future().wait();
  EXPECT_EQ(order, "abcaa");
}

TEST_F(Busy, RefusesWhatIsTooMuch) {
  std::size_t taken = 0;
  while (pool.submit("a", task([] {}))) ++taken;
  EXPECT_EQ(taken, BlockingPool::Bounds{}.of) << "of one";
  EXPECT_TRUE(pool.submit("b", task([] {}))) << "another has room left";
  for (++taken; pool.submit("b" + std::to_string(taken), task([] {})); ++taken) {
  }
  EXPECT_EQ(taken, BlockingPool::Bounds{}.all) << "of all";
  let_go.set_value();
}

TEST_F(Busy, NeverBeginsWhatWaitsWhenItIsStopped) {
  bool ran = false;
  auto held = task([&] { ran = true; });
  std::weak_ptr<Task> watched = held;
  ASSERT_TRUE(pool.submit("a", std::move(held)));
  std::thread stopping([&] { pool.stop(); });
  // What waits is let go of before what runs is waited for.
  while (!watched.expired()) std::this_thread::yield();
  let_go.set_value();
  stopping.join();
  EXPECT_FALSE(ran);
  EXPECT_FALSE(pool.submit("a", task([&] { ran = true; })));
}

}  // namespace
}  // namespace sluice
