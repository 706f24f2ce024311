#include "net/io/deadlines.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <random>
#include <vector>

#include "net/io/precise_deadlines.h"

namespace sluice::net {
namespace {

using namespace std::chrono_literals;

struct Counted final : Deadline {
  int fired = 0;
  std::function<void()> then;
  void expired() override {
    ++fired;
    if (then) then();
  }
};

TEST(Deadlines, FireNotEarlyAndAtMostOneTickLate) {
  FakeClock clock;
  DeadlineWheel wheel(clock.now());
  Counted d;
  wheel.arm(d, clock.now() + 250ms);
  for (int i = 0; i < 24; ++i) {
    clock.advance(10ms);
    wheel.advance(clock.now());
    EXPECT_EQ(d.fired, 0) << i;
  }
  clock.advance(110ms);
  wheel.advance(clock.now());
  EXPECT_EQ(d.fired, 1);
  EXPECT_FALSE(d.armed());
}

TEST(Deadlines, LongerThanOneTurnOfTheWheel) {
  FakeClock clock;
  DeadlineWheel wheel(clock.now());
  Counted d;
  wheel.arm(d, clock.now() + 3600s);
  for (int i = 0; i < 3599; ++i) {
    clock.advance(1s);
    wheel.advance(clock.now());
  }
  EXPECT_EQ(d.fired, 0);
  clock.advance(1200ms);
  wheel.advance(clock.now());
  EXPECT_EQ(d.fired, 1);
}

TEST(Deadlines, AJumpOfTheClockFiresEverythingDueOnce) {
  FakeClock clock;
  DeadlineWheel wheel(clock.now());
  std::vector<Counted> many(2000);
  for (std::size_t i = 0; i < many.size(); ++i) wheel.arm(many[i], clock.now() + std::chrono::milliseconds(i * 100));
  clock.advance(10h);
  wheel.advance(clock.now());
  for (const auto& d : many) EXPECT_EQ(d.fired, 1);
}

TEST(Deadlines, DisarmedByAnotherOfTheSameTick) {
  FakeClock clock;
  DeadlineWheel wheel(clock.now());
  Counted a, b;
  a.then = [&] { b.disarm(); };
  wheel.arm(a, clock.now() + 50ms);
  wheel.arm(b, clock.now() + 50ms);
  clock.advance(1s);
  wheel.advance(clock.now());
  EXPECT_EQ(a.fired, 1);
  EXPECT_EQ(b.fired, 0);
}

TEST(Deadlines, RearmedInsideItsCallbackFiresAgainLater) {
  FakeClock clock;
  DeadlineWheel wheel(clock.now());
  Counted a;
  a.then = [&] {
    if (a.fired < 3) wheel.arm(a, clock.now() + 100ms);
  };
  wheel.arm(a, clock.now());
  for (int i = 0; i < 20; ++i) {
    clock.advance(100ms);
    wheel.advance(clock.now());
  }
  EXPECT_EQ(a.fired, 3);
}

TEST(Deadlines, DestructionDisarms) {
  FakeClock clock;
  DeadlineWheel wheel(clock.now());
  {
    Counted gone;
    wheel.arm(gone, clock.now() + 100ms);
  }
  clock.advance(1s);
  wheel.advance(clock.now());
}

// Who has no patience gets what has come in one poll more, and no tick.
TEST(Deadlines, AtOnceFiresAfterThePollThatComesNext) {
  FakeClock clock;
  DeadlineWheel wheel(clock.now());
  EXPECT_EQ(due_in(clock.now(), 0ms), kAtOnce);
  EXPECT_EQ(due_in(clock.now(), 1ms), clock.now() + 1ms);
  Counted d, again, gone;
  wheel.arm(d, kAtOnce);
  wheel.arm(gone, kAtOnce);
  wheel.advance(clock.now());
  EXPECT_EQ(d.fired, 0) << "nothing was polled since";
  EXPECT_EQ(wheel.next(clock.now()), 0ms);
  gone.disarm();  // what it waited for came with that poll
  d.then = [&] { wheel.arm(again, kAtOnce); };
  wheel.advance(clock.now());
  EXPECT_EQ(d.fired, 1);
  EXPECT_EQ(gone.fired, 0);
  EXPECT_EQ(again.fired, 0) << "it has a poll of its own";
  EXPECT_EQ(wheel.next(clock.now()), 0ms);
  wheel.advance(clock.now());
  EXPECT_EQ(again.fired, 1);
  EXPECT_EQ(wheel.next(clock.now()), 1s);
  {
    Counted left;
    wheel.arm(left, kAtOnce);
    wheel.next(clock.now());
    wheel.arm(d, kAtOnce);
  }
  Counted both;
  {
    DeadlineWheel other(clock.now());
    other.arm(both, kAtOnce);
  }
  EXPECT_FALSE(both.armed()) << "the wheel is gone";
}

TEST(Deadlines, APollSleepsUntilTheNextOneThatIsNear) {
  FakeClock clock;
  DeadlineWheel wheel(clock.now());
  EXPECT_EQ(wheel.next(clock.now()), 1s);
  Counted d;
  wheel.arm(d, clock.now() + 150ms);
  EXPECT_EQ(wheel.next(clock.now()), 200ms);
}

// What a poll has found empty is not looked at again, but for what is armed there later.
TEST(Deadlines, APollNeverSleepsPastOneThatIsArmed) {
  FakeClock clock;
  DeadlineWheel wheel(clock.now());
  std::mt19937 random(1);
  std::vector<Counted> many(40);
  std::vector<Instant> due(many.size(), Instant::max());
  for (int turn = 0; turn < 20'000; ++turn) {
    const std::size_t i = random() % many.size();
    if (random() % 3 == 0) {
      many[i].disarm();
      due[i] = Instant::max();
    } else {
      due[i] = clock.now() + std::chrono::milliseconds(random() % (random() % 8 == 0 ? 200'000 : 1500));
      wheel.arm(many[i], due[i]);
    }
    const Instant soonest = *std::ranges::min_element(due);
    const Duration sleep = wheel.next(clock.now());
    EXPECT_LE(sleep, 1s);
    if (soonest != Instant::max()) {
      EXPECT_LE(sleep, std::max<Duration>(soonest - clock.now(), 0ms) + 2 * DeadlineWheel::kTick) << turn;
    }
    clock.advance(random() % 2 == 0 ? sleep : std::chrono::milliseconds(random() % 300));
    wheel.advance(clock.now());
    for (std::size_t k = 0; k < many.size(); ++k)
      if (!many[k].armed()) due[k] = Instant::max();
  }
}

struct Precise final : PreciseDeadline {
  std::vector<int>* order = nullptr;
  int number = 0, fired = 0;
  std::function<void()> then;
  void expired() override {
    ++fired;
    if (order != nullptr) order->push_back(number);
    if (then) then();
  }
};

TEST(PreciseDeadlines, FireInTheirTurnOrderAndNeverEarly) {
  FakeClock clock;
  PreciseDeadlines all;
  std::vector<int> order;
  std::vector<Precise> many(50);
  for (std::size_t i = 0; i < many.size(); ++i) {
    many[i].order = &order;
    many[i].number = static_cast<int>(i * 37 % 50);
    all.arm(many[i], clock.now() + std::chrono::milliseconds(many[i].number));
  }
  // Some are taken out, some get another time.
  many[1].disarm();
  EXPECT_FALSE(many[1].armed());
  all.arm(many[2], clock.now() + 100ms);
  const std::size_t gone = 37, later = 74 % 50;
  for (std::size_t ms = 0; ms < 50; ++ms) {
    all.advance(clock.now());
    const std::size_t due = ms + 1 - (ms >= gone ? 1 : 0) - (ms >= later ? 1 : 0);
    EXPECT_EQ(order.size(), due) << ms;
    clock.advance(1ms);
  }
  EXPECT_TRUE(std::ranges::is_sorted(order));
  EXPECT_EQ(all.next(), many[2].fired == 0 ? clock.now() + 50ms : Instant{});
  clock.advance(50ms);
  all.advance(clock.now());
  EXPECT_EQ(many[2].fired, 1);
  EXPECT_TRUE(all.empty());
}

TEST(PreciseDeadlines, OneMayArmItselfAndEndAnother) {
  FakeClock clock;
  PreciseDeadlines all;
  Precise again, other;
  all.arm(again, clock.now());
  all.arm(other, clock.now());
  again.then = [&] {
    other.disarm();
    all.arm(again, clock.now());
  };
  all.advance(clock.now());
  EXPECT_LE(again.fired, 2) << "no more often than there were deadlines";
  EXPECT_EQ(other.fired, 0);
  EXPECT_TRUE(again.armed());
  again.then = nullptr;
  all.advance(clock.now());
  EXPECT_TRUE(all.empty());
}

TEST(PreciseDeadlines, OneThatGoesIsForgotten) {
  FakeClock clock;
  PreciseDeadlines all;
  Precise stays;
  {
    Precise goes;
    all.arm(goes, clock.now() + 1ms);
    all.arm(stays, clock.now() + 2ms);
  }
  clock.advance(2ms);
  all.advance(clock.now());
  EXPECT_EQ(stays.fired, 1);
  EXPECT_TRUE(all.empty());
}

}  // namespace
}  // namespace sluice::net
