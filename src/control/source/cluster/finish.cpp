#include "control/source/cluster/finish.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace sluice::control::cluster {

namespace asio = boost::asio;

void Finish::run(asio::awaitable<void> coroutine) {
  running_ = true;
  asio::co_spawn(io_, std::move(coroutine), [this](std::exception_ptr) {
    running_ = false;
    timer_.cancel();
  });
}

asio::awaitable<bool> Finish::wait(Duration most) {
  timer_.expires_after(std::chrono::duration_cast<asio::steady_timer::duration>(most));
  if (running_) co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
  co_return !running_;
}

}  // namespace sluice::control::cluster
