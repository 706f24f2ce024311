#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>

#include "base/clock.h"

namespace sluice::control::cluster {

// Who has something to write and may not looks again after this time.
inline constexpr auto kMayAgain = std::chrono::seconds(2);

// What a coroutine that works when there is something to do waits on, in between. One waits at a time. The thread of
// the io_context.
class Waiter {
 public:
  explicit Waiter(boost::asio::io_context& io) : timer_(io) {}

  // Until there is news, at most so long. News that came since the last for_news() ends it at once.
  boost::asio::awaitable<void> for_news(Duration most);
  // So long, whatever comes: after a failure.
  boost::asio::awaitable<void> rest(Duration time);

  void news() noexcept;
  // Ends what waits and all that would.
  void stop() noexcept;
  bool stopped() const noexcept { return stopped_; }

 private:
  boost::asio::awaitable<void> until(Instant when);

  boost::asio::steady_timer timer_;
  bool news_ = false, stopped_ = false;
};

// Runs what `make` gives to its end; when it ends for want of memory, it begins anew in a moment. Without it a
// coroutine that nobody waits for would be gone for ever, and nobody would know.
boost::asio::awaitable<void> enduring(std::function<boost::asio::awaitable<void>()> make);

}  // namespace sluice::control::cluster
