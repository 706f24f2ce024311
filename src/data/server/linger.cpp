#include "data/server/linger.h"

#include <algorithm>

#include "data/proxy/request_body.h"
#include "data/server/worker.h"

namespace sluice::data {

Linger::Linger(Worker& worker, Duration most) noexcept
    : worker_(worker),
      end_(worker.loop.now() + most),
      admitted_(worker.stats.downstream_lingering.get() < kMostLingering) {
  if (admitted_)
    worker_.stats.downstream_lingering.add();
  else
    worker_.stats.lingering_refused.add();
}

Linger::~Linger() {
  if (admitted_) worker_.stats.downstream_lingering.sub();
}

Instant Linger::until() const noexcept {
  const Instant now = worker_.loop.now();
  return std::min(end_, now + (worker_.draining() ? kLingerDraining : kLingerSilence));
}

bool Linger::waited_since(Instant begun) noexcept {
  waited_ += worker_.loop.now() - begun;
  return !below_rate(bytes_, waited_, worker_.options().client_min_rate);
}

net::Task<void> linger(Worker& worker, net::Stream& stream, Duration most) {
  stream.shutdown_write();
  Linger state(worker, most);
  if (!state.admitted()) co_return;
  for (;;) {
    const auto r = stream.try_read(worker.scratch.get(), Worker::kScratch);
    if (r.io == net::tls::Io::done) {
      state.took(r.bytes);
      if (worker.loop.now() >= state.until()) co_return;
      // However fast it sends, the other clients have their turn first.
      net::EndOfTurn others(worker.loop);
      co_await others;
      continue;
    }
    if (r.io != net::tls::Io::again_read) co_return;
    const Instant begun = worker.loop.now(), until = state.until();
    Status ready = co_await stream.readable(until);
    if (!ready || !state.waited_since(begun)) co_return;
  }
}

}  // namespace sluice::data
