// Work that is done off the worker while an exchange waits for it.
#include "data/proxy/aside.h"

#include <gtest/gtest.h>

#include <latch>
#include <optional>

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

net::Task<void> ask_disk(Exchange& ex, std::shared_ptr<Work> work, std::optional<Status>& out) {
  net::Task<Status> asking = run_on_disk(ex, "ns", std::move(work));
  Status said = co_await asking;
  out = said;
}

TEST(Aside, ASlowDiskIsWaitedForTenSecondsAndNobodyElseIsKept) {
  BlockingPool disk(1, {2, 1}, "disk");
  BareContext bare;
  bare.shared.spool.configure({"/tmp", 1 << 20, 4}, &disk);
  Nobody nobody;
  Peer peer;
  auto memory = bare.worker.borrow_memory();
  Exchange ex(bare.worker, nobody, peer, *memory);
  auto stuck = std::make_shared<Work>(), behind = std::make_shared<Work>(), more = std::make_shared<Work>();
  stuck->waits = true;
  std::optional<Status> of_stuck, of_behind, of_more;
  net::spawn(ask_disk(ex, stuck, of_stuck));
  stuck->begun.wait();
  EXPECT_EQ(ex.waiting_on, nullptr) << "both directions may wait there";
  net::spawn(ask_disk(ex, behind, of_behind));
  net::spawn(ask_disk(ex, more, of_more));
  ASSERT_TRUE(of_more && !*of_more) << "one of a namespace waits at most";
  EXPECT_EQ(of_more->error().status, 503);
  EXPECT_STREQ(of_more->error().detail, "too much waits for the disk");
  for (Duration gone{}; gone < kLongestOnDisk + std::chrono::seconds(1); gone += std::chrono::milliseconds(100)) {
    EXPECT_TRUE(gone > kLongestOnDisk - std::chrono::seconds(1) || (!of_stuck && !of_behind));
    bare.clock.advance(std::chrono::milliseconds(100));
    bare.worker.loop.turn(std::chrono::milliseconds(0));
  }
  for (const auto& out : {of_stuck, of_behind}) {
    ASSERT_TRUE(out && !*out);
    EXPECT_EQ(out->error().status, 503);
    EXPECT_STREQ(out->error().detail, "the disk takes too long");
  }
  stuck->may_end.count_down();
  // What nobody waits for any more is not begun, and the next has its turn.
  std::optional<Status> of_next;
  auto next = std::make_shared<Work>();
  while (!of_next || !*of_next) {
    of_next.reset();
    net::spawn(ask_disk(ex, next, of_next));
    while (!of_next) bare.worker.loop.turn(std::chrono::milliseconds(10));
  }
  EXPECT_TRUE(next->done && !behind->done);
  // Who has left, or was given up, is told when the disk has answered.
  ex.client_gone = true;
  std::optional<Status> of_gone;
  net::spawn(ask_disk(ex, std::make_shared<Work>(), of_gone));
  while (!of_gone) bare.worker.loop.turn(std::chrono::milliseconds(10));
  ASSERT_FALSE(*of_gone);
  EXPECT_EQ(of_gone->error().status, 499);
  disk.stop();
  bare.worker.return_memory(std::move(memory));
}

}  // namespace
}  // namespace sluice::data
