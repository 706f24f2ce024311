// A request that waits for a time.
#include "data/proxy/pause.h"

#include <gtest/gtest.h>

#include <optional>

#include "../bare_context.h"
#include "../fakes.h"

namespace sluice::data {
namespace {

using namespace std::chrono_literals;

struct Paused : ::testing::Test {
  BareContext bare;
  FakeClient client{bare.worker};
  Peer peer;
  std::unique_ptr<ExchangeMemory> memory = bare.worker.borrow_memory();
  std::optional<Exchange> ex{std::in_place, bare.worker, client, peer, *memory};
  std::optional<Status> over;
  ~Paused() override {
    ex.reset();
    bare.worker.return_memory(std::move(memory));
  }
  void begins(Duration time) {
    const auto run = [](Paused& of, Duration length) -> net::Task<void> {
      net::Task<Status> pausing = pause(*of.ex, of.bare.worker.loop.now() + length);
      Status paused = co_await pausing;
      of.over = paused;
    };
    net::spawn(run(*this, time));
  }
  void pass(Duration time) {
    bare.clock.advance(time);
    for (int i = 0; i < 2; ++i) bare.worker.loop.turn(0ms);
  }
};

TEST_F(Paused, LastsAsLongAsItIsToBeToTheMillisecond) {
  for (const Duration time : {Duration(3ms), Duration(25ms), Duration(130ms)}) {
    over.reset();
    begins(time);
    pass(time - 1ms);
    EXPECT_FALSE(over);
    pass(1ms);
    ASSERT_TRUE(over) << time.count();
    EXPECT_TRUE(*over);
    EXPECT_EQ(ex->waiting_on, nullptr);
  }
}

TEST_F(Paused, NoTimeIsNone) {
  begins(0ms);
  EXPECT_TRUE(over && *over);
}

TEST_F(Paused, EndsWithWhatItWaitsFor) {
  begins(1s);
  ASSERT_NE(ex->waiting_on, nullptr);
  ex->waiting_on->cancel(kClientLeft);
  pass(0ms);
  ASSERT_TRUE(over);
  EXPECT_EQ(over->error().status, 499);
  pass(2s);
  EXPECT_EQ(ex->waiting_on, nullptr);
}

}  // namespace
}  // namespace sluice::data
