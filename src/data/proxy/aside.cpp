#include "data/proxy/aside.h"

#include <new>
#include <utility>

#include "data/runtime/worker_context.h"

namespace sluice::data {

void Aside::Wait::cancel(Error why) noexcept {
  error = why;
  signal.notify();
}

void Aside::run() noexcept {
  if (left_.load(std::memory_order_relaxed)) return;
  work();
  try {
    loop_->post([self = shared_from_this()] {
      if (Wait* wait = std::exchange(self->wait_, nullptr)) wait->signal.notify();
    });
  } catch (const std::bad_alloc&) {
    // Nobody can be told: who waits gives up when its time is over.
  }
}

net::Task<Status> run_aside(Exchange& ex, std::string_view whose, std::shared_ptr<Aside> work, Duration longest) {
  constexpr Error full{Fault::overload, Whose::internal, Retry::no, 503, "too much waits for the threads that check"};
  constexpr Error late{Fault::timeout, Whose::internal, Retry::no, 503, "a check took too long"};
  WorkerContext& worker = ex.worker;
  Aside::Wait wait(worker.loop);
  work->loop_ = &worker.loop;
  work->wait_ = &wait;
  if (worker.shared.blocking == nullptr || !worker.shared.blocking->submit(whose, work))
    co_return std::unexpected(full);
  ex.waiting_on = &wait;
  const bool woken = co_await wait.signal.wait(worker.loop.now() + longest);
  ex.waiting_on = nullptr;
  work->wait_ = nullptr;
  work->left_.store(true, std::memory_order_relaxed);
  if (wait.error) co_return std::unexpected(*wait.error);
  if (!woken) co_return std::unexpected(late);
  co_return Status{};
}

net::Task<Status> run_on_disk(Exchange& ex, std::string_view whose, std::shared_ptr<Aside> work) {
  constexpr Error full{Fault::overload, Whose::internal, Retry::no, 503, "too much waits for the disk"};
  constexpr Error late{Fault::timeout, Whose::internal, Retry::no, 503, "the disk takes too long"};
  WorkerContext& worker = ex.worker;
  Aside::Wait wait(worker.loop);
  work->loop_ = &worker.loop;
  work->wait_ = &wait;
  BlockingPool* const pool = worker.shared.spool.pool();
  if (pool == nullptr || !pool->submit(whose, work)) co_return std::unexpected(full);
  const bool woken = co_await wait.signal.wait(worker.loop.now() + kLongestOnDisk);
  work->wait_ = nullptr;
  work->left_.store(true, std::memory_order_relaxed);
  if (!woken) co_return std::unexpected(late);
  if (ex.given_up) co_return std::unexpected(*ex.given_up);
  if (ex.client_gone) co_return std::unexpected(kClientLeft);
  co_return Status{};
}

}  // namespace sluice::data
