// How fast a response goes: nginx's arithmetic, and an exchange that keeps to it.
#include "data/proxy/pacing.h"

#include <gtest/gtest.h>

#include "../bare_context.h"
#include "../fakes.h"
#include "data/proxy/ahead.h"

namespace sluice::data {
namespace {

using namespace std::chrono_literals;

constexpr Instant kBegun{1000s};

// What has gone by when, where a client takes all that it may get at once.
std::vector<std::pair<int, std::uint64_t>> taken(Allowance allowance, std::uint64_t size, std::uint64_t piece) {
  std::vector<std::pair<int, std::uint64_t>> out;  // milliseconds, bytes
  std::uint64_t sent = 0;
  for (Instant now = kBegun; sent < size; now = allowance.next(now)) {
    const auto some = std::min({allowance.left(now), size - sent, piece});
    if (some == 0) continue;
    allowance.gone(some, now);
    sent += some;
    out.emplace_back(static_cast<int>((now - kBegun) / 1ms), sent);
  }
  return out;
}

// limit_rate 10k of 50 kB, by pieces of 8k: as measured at nginx.
TEST(Allowance, GivesASecondAhead) {
  using Steps = std::vector<std::pair<int, std::uint64_t>>;
  EXPECT_EQ(taken({10240, 0, kBegun}, 51200, 8192), (Steps{{0, 8192},
                                                           {800, 10240},
                                                           {1000, 18432},
                                                           {1800, 20480},
                                                           {2000, 28672},
                                                           {2800, 30720},
                                                           {3000, 38912},
                                                           {3800, 40960},
                                                           {4000, 49152},
                                                           {4800, 51200}}));
  EXPECT_EQ(taken({10240, 0, kBegun}, 51200, 1 << 20),
            (Steps{{0, 10240}, {1000, 20480}, {2000, 30720}, {3000, 40960}, {4000, 51200}}));
}

TEST(Allowance, WhatGoesAheadIsNotPaidFor) {
  using Steps = std::vector<std::pair<int, std::uint64_t>>;
  EXPECT_EQ(taken({10240, 20480, kBegun}, 51200, 1 << 20), (Steps{{0, 30720}, {1000, 40960}, {2000, 51200}}));
  EXPECT_EQ(taken({10240, 1 << 20, kBegun}, 51200, 1 << 20), (Steps{{0, 51200}}));
}

// Seconds are those of the clock: who begins late in one is given the next one soon.
TEST(Allowance, SecondsAreThoseOfTheClock) {
  Allowance allowance(1000, 0, kBegun + 900ms);
  EXPECT_EQ(allowance.left(kBegun + 900ms), 1000U);
  EXPECT_EQ(allowance.left(kBegun + 1s), 2000U);
  allowance.gone(100, kBegun + 1s);
  EXPECT_EQ(allowance.left(kBegun + 1050ms), 0U) << "the piece takes 100 ms";
  EXPECT_EQ(allowance.next(kBegun + 1050ms), kBegun + 1100ms);
  EXPECT_EQ(allowance.left(kBegun + 1100ms), 1900U);
}

// Who is woken a little late has the next pause from when he was due.
TEST(Allowance, ALatePieceIsNotLateForAll) {
  Allowance allowance(1000, 0, kBegun);
  allowance.gone(100, kBegun);
  allowance.gone(100, kBegun + 190ms);
  EXPECT_EQ(allowance.next(kBegun + 190ms), kBegun + 200ms);
  allowance.gone(100, kBegun + 600ms);
  EXPECT_EQ(allowance.next(kBegun + 600ms), kBegun + 700ms) << "that was no lateness of the loop";
}

TEST(Allowance, BearsTheLargestNumbers) {
  Allowance allowance(std::uint64_t{0x7fffffff} * 1024, std::uint64_t{0x7fffffff} * 1024, kBegun);
  EXPECT_GT(allowance.left(kBegun + 10'000h), 1ULL << 60);
  allowance.gone(1ULL << 62, kBegun);
  EXPECT_EQ(allowance.next(kBegun), kBegun + 1h) << "no pause is longer";
}

struct Paced {
  explicit Paced(std::uint64_t rate, std::uint64_t after = 0)
      : ex(of.worker, client, peer, memory), pod(of.worker.loop), pacing(ex, Allowance(rate, after, of.clock.now())) {
    settings.response_buffering = true;
    ex.settings = &settings;
  }
  void begin(Chunk first, std::uint64_t head = 0) {
    const auto run = [](Paced& self, Chunk piece, std::uint64_t before) -> net::Task<void> {
      const Chunk now = self.pacing.first(piece, before);
      self.client.text += now.data;
      if (!now.last) {
        const std::function<void()> all_read = [&self] { self.pod_done = true; };
        net::Task<Status> sending = send_ahead(self.ex, self.pod, all_read, &self.pacing);
        self.outcome = co_await sending;
      }
      self.over = true;
    };
    net::spawn(run(*this, first, head));
    turn();
  }
  void turn() {
    for (int i = 0; i < 4; ++i) of.worker.loop.turn(0ms);
  }
  // Deadlines of the loop fire a tenth of a second late at most.
  std::size_t after(Duration time) {
    for (Duration t{}; t < time; t += 100ms) of.clock.advance(100ms), turn();
    return client.text.size();
  }
  BareContext of;
  FakeClient client{of.worker};
  Peer peer;
  ExchangeMemory memory;
  model::RouteSettings settings;
  Exchange ex;
  FakeBody pod;
  Pacing pacing;
  Status outcome{};
  bool pod_done = false, over = false;
};

TEST(Pacing, ALargePieceGoesInParts) {
  Paced paced(1000);
  const std::string piece(2500, 'x');
  paced.begin({piece, true, "a: b\r\n"}, 100);
  EXPECT_EQ(paced.client.text.size(), 900U) << "the head counts";
  EXPECT_LE(paced.after(1s), 2000U);
  EXPECT_EQ(paced.after(200ms), 1900U);
  EXPECT_TRUE(paced.client.trailers.empty());
  paced.after(1200ms);
  EXPECT_EQ(paced.client.text, piece);
  EXPECT_EQ(paced.client.trailers, "a: b\r\n");
  EXPECT_TRUE(paced.over && paced.outcome && paced.client.ended);
  EXPECT_EQ(paced.pod.reads, 0) << "nothing more was asked of the pod";
  EXPECT_TRUE(paced.pod_done);
}

// It is done as soon as all of it is here, however long its client takes.
TEST(Pacing, ThePodIsDoneBeforeTheClientIs) {
  Paced paced(1000);
  const std::string piece(1000, 'x');
  paced.begin({piece, false, {}});
  EXPECT_EQ(paced.client.text.size(), 1000U);
  paced.pod.add(std::string(500, 'y'));
  paced.pod.add(std::string(1500, 'z'), true, "a: b\r\n");
  paced.turn();
  EXPECT_TRUE(paced.pod_done);
  EXPECT_FALSE(paced.over);
  EXPECT_EQ(paced.client.text.size(), 1000U);
  paced.after(1300ms);
  EXPECT_EQ(paced.client.text.size(), 2000U);
  paced.after(1100ms);
  EXPECT_TRUE(paced.over && paced.outcome && paced.client.ended);
  EXPECT_EQ(paced.client.text, piece + std::string(500, 'y') + std::string(1500, 'z'));
  EXPECT_EQ(paced.client.trailers, "a: b\r\n");
}

TEST(Pacing, AClientThatLeavesEndsThePause) {
  Paced paced(10);
  paced.begin({std::string_view("0123456789 and more"), false, {}});
  EXPECT_FALSE(paced.over);
  FakeClient::leave(paced.ex);
  paced.after(1200ms);
  EXPECT_TRUE(paced.over);
  ASSERT_FALSE(paced.outcome);
  EXPECT_EQ(paced.outcome.error().status, 499);
  EXPECT_TRUE(paced.client.aborted);
  EXPECT_TRUE(paced.pod.stopped) << "the pod is given up as well";
}

// What nobody tells the pause of is noticed after a second.
TEST(Pacing, LooksWhetherAnybodyIsThere) {
  Paced paced(1);
  paced.begin({std::string_view("0123456789"), false, {}}, 100);
  paced.ex.given_up = Error{Fault::cancelled, Whose::internal, Retry::no, 0, "drained"};
  paced.after(1200ms);
  EXPECT_TRUE(paced.over);
  EXPECT_FALSE(paced.outcome);
}

struct Wanted {
  bool buffering = true;
  std::uint32_t rate = 1;
  std::vector<std::pair<std::string_view, std::string_view>> fields{};
  bool grpc = false;
};

bool is_paced(const Wanted& wanted) {
  BareContext of;
  FakeClient client{of.worker};
  const Peer peer;
  ExchangeMemory memory;
  Exchange ex(of.worker, client, peer, memory);
  model::RouteSettings settings;
  settings.response_buffering = wanted.buffering;
  settings.limit_rate = wanted.rate;
  ex.settings = &settings;
  ex.grpc = wanted.grpc;
  std::vector<net::http::Field> fields;
  for (const auto& [name, value] : wanted.fields) fields.push_back({name, value, net::http::name_of(name), false});
  ResponseStart start;
  start.fields = fields;
  return is_buffered(ex, fields) && pace(ex, start) != nullptr;
}

TEST(Pacing, IsForWhatNginxWouldBuffer) {
  EXPECT_TRUE(is_paced({}));
  EXPECT_FALSE(is_paced({.buffering = false}));
  EXPECT_FALSE(is_paced({.rate = 0}));
  EXPECT_FALSE(is_paced({.grpc = true}));
  EXPECT_FALSE(is_paced({.fields = {{"X-Accel-Buffering", "no"}}}));
  EXPECT_TRUE(is_paced({.buffering = false, .fields = {{"x-accel-buffering", "YES"}}}));
  EXPECT_FALSE(is_paced({.fields = {{"X-Accel-Limit-Rate", "0"}}}));
  EXPECT_TRUE(is_paced({.rate = 0, .fields = {{"X-Accel-Limit-Rate", "10240"}}}));
  EXPECT_FALSE(is_paced({.buffering = false, .rate = 0, .fields = {{"X-Accel-Limit-Rate", "10240"}}}));
  for (const auto* junk : {"off", "", "1k", "-1", "99999999999999999999"})
    EXPECT_TRUE(is_paced({.fields = {{"X-Accel-Limit-Rate", junk}}})) << junk;
}

}  // namespace
}  // namespace sluice::data
