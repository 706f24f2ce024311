#include "data/proxy/pause.h"

#include "data/proxy/request_deadline.h"
#include "data/runtime/worker_context.h"
#include "net/io/precise_deadlines.h"
#include "net/io/signal.h"

namespace sluice::data {

namespace {

// To the millisecond: what a wheel's tick adds is more than many a pause, and brings together what is to be apart.
class Pause final : public net::Cancellable, private net::PreciseDeadline {
 public:
  Pause(net::Loop& loop, Instant until) : wake(loop) { loop.arm_at(*this, until); }
  void cancel(Error error) noexcept override {
    why = error;
    wake.notify();
  }
  net::Signal wake;
  std::optional<Error> why;

 private:
  void expired() override { wake.notify(); }
};

}  // namespace

net::Task<Status> pause(Exchange& ex, Instant until) {
  if (ex.given_up) co_return std::unexpected(*ex.given_up);
  if (ex.client_gone) co_return std::unexpected(kClientLeft);
  if (ex.passed != PassedDeadline::none) co_return std::unexpected(late(ex.passed));
  if (until <= ex.worker.loop.now()) co_return Status{};
  Pause here(ex.worker.loop, until);
  ex.waiting_on = &here;
  co_await here.wake.wait(Instant::max());
  ex.waiting_on = nullptr;
  if (here.why) co_return std::unexpected(*here.why);
  co_return Status{};
}

}  // namespace sluice::data
