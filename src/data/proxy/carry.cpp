#include "data/proxy/carry.h"

#include <algorithm>

#include "data/runtime/worker_context.h"
#include "net/io/signal.h"

namespace sluice::data {

namespace {

// What both directions of a tunnel share.
struct Tunnel {
  Instant moved;
  Duration idle;
  const Duration last_words;  // what `idle` is once one direction has ended
  bool over = false;          // both sides were cancelled
};

// As finish_write(t.idle), which may become shorter meanwhile: the other direction ends, and nobody tells a writer.
net::Task<Status> finish_write(WorkerContext& worker, net::Duplex& to, const Tunnel& t) {
  std::uint64_t written = to.written();
  for (Instant moved = worker.loop.now();;) {
    const Duration slice = std::min(t.idle, t.last_words);
    net::Task<Status> writing = to.finish_write(slice);
    Status result = co_await writing;
    if (result || result.error().fault != Fault::timeout) co_return result;
    const Instant now = worker.loop.now();
    if (to.written() != written) moved = now - slice;  // the last of it left then
    written = to.written();
    if (now - moved >= t.idle) co_return result;
  }
}

// One direction, until `from` ends: that is passed on, and the other direction may say its last words. What breaks or
// stays idle ends both. A side that breaks is met by whoever reads from it or by whoever writes to it.
net::Task<Status> pump(WorkerContext& worker, net::Duplex& from, net::Duplex& to, Tunnel& t, std::uint64_t& bytes,
                       bool& from_broke, bool& to_broke) {
  Status result{};
  net::ShareOfTurn share(worker.loop);
  for (std::size_t taken = 0;;) {
    const auto r = from.try_read(worker.scratch.get(), std::min(to.room(taken), WorkerContext::kScratch));
    if (r.io == net::tls::Io::done) {
      taken = r.bytes;
      t.moved = worker.loop.now();
      bytes += r.bytes;
      const iovec part{worker.scratch.get(), r.bytes};
      if (!to.write_now({&part, 1})) {
        net::Task<Status> rest = finish_write(worker, to, t);
        result = co_await rest;
        if (!result) {
          to_broke = to_broke || (!t.over && result.error().fault == Fault::reset);
          break;
        }
      } else if (share.used_up(taken)) {
        net::EndOfTurn others(worker.loop);
        co_await others;
      }
      continue;
    }
    if (r.io == net::tls::Io::closed) {
      to.end_write();
      t.idle = std::min(t.idle, t.last_words);
      t.moved = worker.loop.now();
      to.wake_reader();  // its patience is shorter now
      co_return Status{};
    }
    if (r.io != net::tls::Io::again_read) {
      from_broke = from_broke || !t.over;
      break;
    }
    result = co_await from.wait_readable(t.moved + t.idle);
    if (!result && !(result.error().fault == Fault::timeout && worker.loop.now() - t.moved < t.idle)) break;
    result = Status{};
  }
  t.over = true;
  const Error over{Fault::cancelled, Whose::internal, Retry::no, 0, "the tunnel is over"};
  from.cancel(over);
  to.cancel(over);
  co_return result;
}

// The end of a tunnel that has lived as long as it may.
struct Lifetime final : net::Deadline {
  Lifetime(net::Duplex& a, net::Duplex& b, Tunnel& t) noexcept : client(a), pod(b), tunnel(t) {}
  net::Duplex& client;
  net::Duplex& pod;
  Tunnel& tunnel;
  void expired() override {
    tunnel.over = true;
    const Error over{Fault::timeout, Whose::internal, Retry::no, 0, "tunnel-max-lifetime has passed"};
    client.cancel(over);
    pod.cancel(over);
  }
};

}  // namespace

net::Task<void> carry(WorkerContext& worker, net::Duplex& client, net::Duplex& pod, TunnelLimits limits,
                      Carried& carried) {
  Tunnel t{worker.loop.now(), limits.idle, limits.last_words};
  Lifetime lifetime(client, pod, t);
  if (limits.lifetime.count() > 0) worker.loop.arm(lifetime, limits.lifetime);
  net::Fork<Status> upward(pump(worker, client, pod, t, carried.up, carried.client_broke, carried.pod_broke));
  net::Task<Status> downward = pump(worker, pod, client, t, carried.down, carried.pod_broke, carried.client_broke);
  [[maybe_unused]] const Status d = co_await downward;
  [[maybe_unused]] const Status u = co_await upward.join();
}

}  // namespace sluice::data
