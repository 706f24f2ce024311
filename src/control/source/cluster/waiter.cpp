#include "control/source/cluster/waiter.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <new>
#include <thread>
#include <utility>

namespace sluice::control::cluster {

namespace asio = boost::asio;

asio::awaitable<void> Waiter::until(Instant when) {
  timer_.expires_at(when);
  co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
}

asio::awaitable<void> Waiter::for_news(Duration most) {
  if (!news_ && !stopped_) co_await until(SystemClock().now() + most);
  news_ = false;
}

asio::awaitable<void> Waiter::rest(Duration time) {
  const Instant when = SystemClock().now() + time;
  while (!stopped_ && SystemClock().now() < when) co_await until(when);
}

void Waiter::news() noexcept {
  news_ = true;
  timer_.cancel();
}

void Waiter::stop() noexcept {
  stopped_ = true;
  timer_.cancel();
}

asio::awaitable<void> enduring(std::function<asio::awaitable<void>()> make) {
  for (;;) {
    try {
      asio::awaitable<void> run = make();
      co_await std::move(run);
      co_return;
    } catch (const std::bad_alloc&) {
      // To wait in the loop might need memory, too.
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

}  // namespace sluice::control::cluster
