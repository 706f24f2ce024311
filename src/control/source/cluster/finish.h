#pragma once
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/clock.h"

namespace sluice::control::cluster {

// Runs a coroutine whose end another one can wait for: whoever takes over its connection must not meet it there. The
// thread of the io_context.
class Finish {
 public:
  explicit Finish(boost::asio::io_context& io) : io_(io), timer_(io) {}

  void run(boost::asio::awaitable<void> coroutine) {
    running_ = true;
    boost::asio::co_spawn(io_, std::move(coroutine), [this](std::exception_ptr) {
      running_ = false;
      timer_.cancel();
    });
  }
  // True once it has ended; false when that took longer than `most`. One waits at a time.
  boost::asio::awaitable<bool> wait(Duration most) {
    timer_.expires_after(std::chrono::duration_cast<boost::asio::steady_timer::duration>(most));
    if (running_) co_await timer_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    co_return !running_;
  }

 private:
  boost::asio::io_context& io_;
  boost::asio::steady_timer timer_;
  bool running_ = false;
};

}  // namespace sluice::control::cluster
