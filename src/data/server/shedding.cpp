#include "data/server/shedding.h"

#include <algorithm>

#include "data/server/connection.h"
#include "data/server/worker.h"

namespace sluice::data {

namespace {

// Between two rounds: what was ended must have let go before it can be known how much more is too much.
constexpr Duration kRound = std::chrono::milliseconds(20);
constexpr Duration kIdleRound = std::chrono::seconds(1);
// A client that takes what it gets pauses for a moment, too; only in need is nobody waited for.
constexpr Duration kPatience = std::chrono::milliseconds(250);
constexpr std::size_t kMostAtOnce = 4096;  // connections that are looked at in a round

}  // namespace

void Worker::relieve() {
  const Rung rung = shared.overload.rung();
  const Rung before = std::exchange(rung_, rung);
  if (rung < Rung::shed && slow_ != 0) shared.overload.report_slow(-std::exchange(slow_, 0));
  if (rung == Rung::calm) return;
  const Instant now = loop.now();
  if (before == Rung::calm) {
    pool.close_everything();
    idle_closed_ = {};
  }
  if (memory_.size() > kMemoryKept) memory_.resize(kMemoryKept);
  if (now - idle_closed_ >= kIdleRound) {
    idle_closed_ = now;
    close_idle(now - options().keep_alive / 3);
  }
  if (rung >= Rung::shed && now - shed_at_ >= kRound) {
    shed_at_ = now;
    shed();
  }
  if (!relief_.armed()) loop.arm(relief_, net::DeadlineWheel::kTick);
}

// Those that wait for a request since before then, and were served before.
void Worker::close_idle(Instant since) {
  Holding one[1];
  for (Connection* c = connections_; c; c = c->next_) {
    Holdings h(one);
    c->holdings(h);
    if (h.all().empty() || one[0].kind != Holding::Kind::idle || one[0].since > since) continue;
    c->drain(true);
    stats.overload_idle_closed.add();
  }
}

void Worker::shed() {
  shared.overload.look();
  const std::uint64_t excess = shared.overload.excess();
  if (excess == 0) return;
  // In the scratch: nothing waits while this runs.
  const std::span<Holding> room(reinterpret_cast<Holding*>(scratch.get()), kScratch / sizeof(Holding));
  std::uninitialized_default_construct(room.begin(), room.end());
  Holdings found(room);
  if (!next_looked_at_) next_looked_at_ = connections_;
  for (std::size_t i = 0; next_looked_at_ && i < kMostAtOnce && !found.full(); ++i) {
    next_looked_at_->holdings(found);
    next_looked_at_ = next_looked_at_->next_;
  }

  const Instant now = loop.now();
  const bool in_need = shared.overload.at_least(Rung::refuse);
  const auto all = found.all();
  const auto slow = std::count_if(all.begin(), all.end(), [](const Holding& h) { return h.kind == Holding::Kind::slow; });
  const bool others = shared.overload.report_slow(slow - std::exchange(slow_, slow)) == 0;
  const auto may_end = [&](const Holding& h) {
    const Duration age = now - h.since;
    if (h.kind == Holding::Kind::slow) return in_need || age >= kPatience;
    return others && age >= kIdleRound && (in_need || h.kind == Holding::Kind::idle);
  };
  const auto end = std::partition(all.begin(), all.end(), may_end);
  std::sort(all.begin(), end, [now](const Holding& a, const Holding& b) {
    return a.kind != b.kind ? a.kind < b.kind : a.weight(now) > b.weight(now);
  });
  const std::uint64_t share = excess / shared.overload.workers() + 1;
  std::uint64_t freed = 0;
  for (auto h = all.begin(); h != end && freed < share; ++h) {
    if (h->connection) h->connection->abort_on_close();
    h->who->cancel(kShed);
    freed += h->bytes;
    (h->kind == Holding::Kind::idle ? stats.overload_idle_closed : stats.overload_slow_reset).add();
  }
}

}  // namespace sluice::data
