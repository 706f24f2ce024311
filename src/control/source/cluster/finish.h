#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/clock.h"

namespace sluice::control::cluster {

// Runs a coroutine whose end another one can wait for: whoever takes over its connection must not meet it there. The
// thread of the io_context.
class Finish {
 public:
  explicit Finish(boost::asio::io_context& io) : io_(io), timer_(io) {}

  void run(boost::asio::awaitable<void> coroutine);
  // True once it has ended; false when that took longer than `most`. One waits at a time.
  boost::asio::awaitable<bool> wait(Duration most);

 private:
  boost::asio::io_context& io_;
  boost::asio::steady_timer timer_;
  bool running_ = false;
};

}  // namespace sluice::control::cluster
