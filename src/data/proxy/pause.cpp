#include "data/proxy/pause.h"

#include "data/proxy/request_deadline.h"
#include "data/runtime/worker_context.h"
#include "net/io/signal.h"

namespace sluice::data {

namespace {

class Pause final : public net::Cancellable {
 public:
  explicit Pause(net::Loop& loop) noexcept : wake(loop) {}
  void cancel(Error error) noexcept override {
    why = error;
    wake.notify();
  }
  net::Signal wake;
  std::optional<Error> why;
};

}  // namespace

net::Task<Status> pause(Exchange& ex, Instant until) {
  if (ex.given_up) co_return std::unexpected(*ex.given_up);
  if (ex.client_gone) co_return std::unexpected(kClientLeft);
  if (ex.passed != PassedDeadline::none) co_return std::unexpected(late(ex.passed));
  Pause here(ex.worker.loop);
  ex.waiting_on = &here;
  co_await here.wake.wait(until);
  ex.waiting_on = nullptr;
  if (here.why) co_return std::unexpected(*here.why);
  co_return Status{};
}

}  // namespace sluice::data
