#include "data/server/shedding.h"

#include <algorithm>

#include "base/release.h"
#include "data/coding/coder.h"
#include "data/server/connection.h"
#include "data/server/udp_port.h"
#include "data/server/worker.h"

namespace sluice::data {

namespace {

constexpr Duration kRound = std::chrono::milliseconds(5);
constexpr Duration kIdleRound = std::chrono::seconds(1);
// A client that takes what it gets pauses for a moment, too: it is slow only after this.
constexpr Duration kPatience = std::chrono::milliseconds(250);
constexpr std::size_t kMostAtOnce = 4096;  // connections that are looked at in a round

// In which order they are ended.
enum class Turn : std::uint8_t { slow, other, never };

Turn turn_of(const Holding& h, Instant now) noexcept {
  const Duration age = now - h.since;
  if (h.kind == Holding::Kind::idle) return age >= kIdleRound ? Turn::other : Turn::never;
  return age >= kPatience ? Turn::slow : Turn::other;
}

}  // namespace

std::uint64_t held_by_slow(std::span<const Holding> all, Instant now) noexcept {
  std::uint64_t bytes = 0;
  for (const Holding& h : all)
    if (turn_of(h, now) == Turn::slow) bytes += h.bytes;
  return bytes;
}

std::span<Holding> whom_to_end(std::span<Holding> all, bool others_too, Instant now) noexcept {
  const Turn last = others_too ? Turn::other : Turn::slow;
  const auto end = std::partition(all.begin(), all.end(), [&](const Holding& h) { return turn_of(h, now) <= last; });
  std::sort(all.begin(), end, [now](const Holding& a, const Holding& b) {
    const Turn turn_a = turn_of(a, now), turn_b = turn_of(b, now);
    return turn_a != turn_b ? turn_a < turn_b : a.weight(now) > b.weight(now);
  });
  return {all.begin(), end};
}

std::span<Holding> whom_to_close(std::span<Holding> all, Instant now) noexcept {
  const auto goes = [now](const Holding& h) { return h.connection != nullptr && now - h.since >= kIdleRound; };
  const auto end = std::partition(all.begin(), all.end(), goes);
  std::sort(all.begin(), end, [](const Holding& a, const Holding& b) {
    if (a.kind != b.kind) return a.kind == Holding::Kind::idle;
    return a.unused != b.unused ? a.unused : a.since < b.since;
  });
  return {all.begin(), end};
}

void Worker::relieve() {
  const Held now_held = held();
  const Held before = std::exchange(held_, now_held);
  const bool memory_short = !now_held.of(Source::memory).none();
  if (!now_held.by(Source::memory, Rung::shed) && slow_ != 0) shared.overload.report_slow(-std::exchange(slow_, 0));
  if (now_held.none()) return;
  const Instant now = loop.now();
  if (memory_short && before.of(Source::memory).none()) {
    pool.close_everything();
    drop_spare_coders();
    sluice::release(coded);
  }
  if (memory_short) drop_surplus_memory();
  // Whatever is short but time, those who ask for nothing have it to spare.
  const auto saves = [](Held h) {
    return !h.of(Source::memory).none() || h.by(Source::descriptors, Rung::save) ||
           h.by(Source::connections, Rung::save);
  };
  if (saves(now_held)) {
    if (!saves(before)) idle_closed_ = {};
    if (now - idle_closed_ >= kIdleRound) {
      idle_closed_ = now;
      if (now_held.by(Source::descriptors, Rung::save)) pool.close_everything();
      close_idle(now - std::max<Duration>(options().keep_alive / 3, kIdleRound));
    }
  }
  // Those that were ended have let go at the end of the turn after: only then is it known how much more is too much.
  if (now_held.any(Rung::shed) && (ended_some_ || now - shed_at_ >= kRound)) {
    shed_at_ = now;
    ended_some_ = shed();
  }
  if (!relief_.armed()) loop.arm(relief_, net::DeadlineWheel::kTick);
}

// Those that have waited for a request since before then.
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

bool Worker::shed() {
  shared.overload.look();
  const std::uint64_t bytes = held().by(Source::memory, Rung::shed) ? shared.overload.excess() : 0;
  const std::uint64_t clients = shared.overload.excess_clients();
  if (bytes == 0 && clients == 0) return false;
  // In the scratch: nothing waits while this runs.
  const std::span<Holding> room(reinterpret_cast<Holding*>(scratch.get()), kScratch / sizeof(Holding));
  std::uninitialized_default_construct(room.begin(), room.end());
  Holdings found(room);
  if (!next_looked_at_) next_looked_at_ = connections_;
  for (std::size_t i = 0; next_looked_at_ && i < kMostAtOnce && !found.full(); ++i) {
    next_looked_at_->holdings(found);
    next_looked_at_ = next_looked_at_->next_;
  }
  // For one of both at a time: who is ended for one is not to be ended again, and frees what the other lacks.
  return bytes != 0 ? shed_bytes(found.all(), bytes) > 0 : shed_clients(found.all(), clients) > 0;
}

// Returns how many bytes were freed.
std::uint64_t Worker::shed_bytes(std::span<Holding> found, std::uint64_t excess) {
  const Instant now = loop.now();
  const auto slow = static_cast<std::int64_t>(held_by_slow(found, now));
  // As long as the slow ones of all workers hold enough, nobody else is ended.
  const std::int64_t of_all = shared.overload.report_slow(slow - std::exchange(slow_, slow));
  const std::uint64_t share = excess / shared.overload.workers() + 1;
  const bool others_too = of_all < static_cast<std::int64_t>(excess);
  std::uint64_t freed = 0;
  for (const Holding& h : whom_to_end(found, others_too, now)) {
    if (h.connection && h.kind == Holding::Kind::slow) h.connection->abort_on_close();
    h.who->cancel(kShed);
    (h.kind == Holding::Kind::idle ? stats.overload_idle_closed : stats.overload_slow_reset).add();
    freed += h.bytes;
    if (freed >= share) break;
  }
  // Who is behind a session of datagrams is not known, nor whether its pod will ever answer: as those that pause.
  if (others_too && freed < share) {
    const std::size_t ended = udp_ports_->shed(share - freed, now - kPatience);
    stats.overload_idle_closed.add(ended);
    freed += ended * cost::kSession;
  }
  return freed;
}

// Returns how many clients.
std::uint64_t Worker::shed_clients(std::span<Holding> found, std::uint64_t excess) {
  const std::uint64_t share = excess / shared.overload.workers() + 1;
  std::uint64_t ended = 0;
  for (const Holding& h : whom_to_close(found, loop.now())) {
    if (h.kind == Holding::Kind::slow) h.connection->abort_on_close();
    h.who->cancel(kShedClient);
    (h.kind == Holding::Kind::idle ? stats.overload_idle_closed : stats.overload_slow_reset).add();
    if (++ended >= share) break;
  }
  return ended;
}

}  // namespace sluice::data
