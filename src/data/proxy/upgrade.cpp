#include "data/proxy/upgrade.h"

#include "data/proxy/prepare.h"
#include "data/server/worker.h"

namespace sluice::data {

namespace {

// How long the other direction may go on once one has ended.
constexpr Duration kAfterEnd = std::chrono::seconds(10);

struct Tunnel {
  Instant moved;
  Duration idle;
  std::uint64_t down_bytes = 0, up_bytes = 0;
};

// One direction, until `from` ends: that is passed on, and the other direction may say its last words. What breaks or
// stays idle ends both.
net::Task<Status> pump(Worker& worker, net::Duplex& from, net::Duplex& to, Tunnel& t, std::uint64_t& bytes) {
  Status result{};
  for (;;) {
    const auto r = from.try_read(worker.scratch.get(), Worker::kScratch);
    if (r.io == net::tls::Io::done) {
      t.moved = worker.loop.now();
      bytes += r.bytes;
      const iovec part{worker.scratch.get(), r.bytes};
      if (to.write_now({&part, 1})) continue;
      result = co_await to.finish_write(t.idle);
      if (!result) break;
      continue;
    }
    if (r.io == net::tls::Io::closed) {
      to.end_write();
      t.idle = std::min(t.idle, kAfterEnd);
      t.moved = worker.loop.now();
      to.wake_reader();  // its patience is shorter now
      co_return Status{};
    }
    if (r.io != net::tls::Io::again_read) break;
    result = co_await from.wait_readable(t.moved + t.idle);
    if (!result && !(result.error().fault == Fault::timeout && worker.loop.now() - t.moved < t.idle)) break;
    result = Status{};
  }
  const Error over{Fault::cancelled, Whose::internal, Retry::no, 0, "the tunnel is over"};
  from.cancel(over);
  to.cancel(over);
  co_return result;
}

}  // namespace

net::Task<Status> tunnel(Exchange& ex, Upstream& up) {
  Worker& worker = ex.worker;
  up.hold();
  ResponseStart start;
  start.status = 101;
  start.reason = "Switching Protocols";
  start.fields = ex.memory.response.fields.all();
  start.framing = net::http::Framing::none;
  start.from_pod = true;
  ex.record.status = 101;
  ex.close_after = true;
  Status s = co_await ex.down.start(ex, start, Chunk{{}, true, {}});
  if (!s) co_return s;
  std::string_view early;
  net::Duplex& client = ex.down.become_tunnel(early);
  std::string_view behind;
  net::Duplex& pod = up.become_tunnel(behind);
  Tunnel t{worker.loop.now(), ex.options->tunnel_idle_timeout};
  if (!early.empty()) {
    const iovec part{const_cast<char*>(early.data()), early.size()};
    t.up_bytes += early.size();
    if (!pod.write_now({&part, 1})) s = co_await pod.finish_write(t.idle);
    if (!s) co_return s;
  }
  if (!behind.empty()) {
    const iovec part{const_cast<char*>(behind.data()), behind.size()};
    t.down_bytes += behind.size();
    if (!client.write_now({&part, 1})) s = co_await client.finish_write(t.idle);
    if (!s) co_return s;
  }
  keep_for_log(ex);
  ex.down.give_buffers_back();
  worker.stats.tunnels.add();
  worker.stats.tunnels_active.add();
  net::Fork<Status> upward(pump(worker, client, pod, t, t.up_bytes));
  net::Task<Status> downward = pump(worker, pod, client, t, t.down_bytes);
  s = co_await downward;
  Status u = co_await upward.join();
  worker.stats.tunnels_active.sub();
  ex.record.request_length += t.up_bytes;
  ex.record.body_bytes_sent += t.down_bytes;
  co_return Status{};
}

}  // namespace sluice::data
