// Work that is done off the worker while an exchange waits for it.
#include "data/proxy/aside.h"

#include <gtest/gtest.h>

#include <latch>

#include "../bare_context.h"
#include "../nobody.h"

namespace sluice::data {
namespace {

struct Work final : Aside {
  std::latch begun{1}, may_end{1};
  std::atomic<bool> done{false};
  bool waits = false;
  void work() noexcept override {
    begun.count_down();
    if (waits) may_end.wait();
    done = true;
  }
};

net::Task<void> ask(Exchange& ex, std::shared_ptr<Work> work, Status& out) {
  net::Task<Status> asking = run_aside(ex, "ns", std::move(work), std::chrono::seconds(10));
  out = co_await asking;
}

TEST(Aside, WhatNobodyWaitsForAnyMoreIsNotBegun) {
  BlockingPool pool(1);
  BareContext bare;
  bare.shared.blocking = &pool;
  Nobody nobody;
  Peer peer;
  auto memory = bare.worker.borrow_memory();
  Exchange running(bare.worker, nobody, peer, *memory), left(bare.worker, nobody, peer, *memory);
  auto first = std::make_shared<Work>(), second = std::make_shared<Work>(), third = std::make_shared<Work>();
  first->waits = true;
  Status of_first{}, of_second{}, of_third{};
  net::spawn(ask(running, first, of_first));
  first->begun.wait();
  net::spawn(ask(left, second, of_second));
  left.waiting_on->cancel(Error{Fault::cancelled, Whose::downstream, Retry::no, 499, "the client left"});
  bare.worker.loop.turn(std::chrono::milliseconds(0));
  ASSERT_FALSE(of_second);
  EXPECT_EQ(of_second.error().status, 499);
  net::spawn(ask(left, third, of_third));
  first->may_end.count_down();
  third->begun.wait();  // one thread: the second had its turn before
  EXPECT_FALSE(second->done);
  while (running.waiting_on != nullptr || left.waiting_on != nullptr)
    bare.worker.loop.turn(std::chrono::milliseconds(10));
  EXPECT_TRUE(of_first && first->done);
  EXPECT_TRUE(of_third && third->done);
  pool.stop();
  bare.worker.return_memory(std::move(memory));
}

}  // namespace
}  // namespace sluice::data
