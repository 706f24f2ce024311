#pragma once
#include <atomic>
#include <memory>
#include <optional>
#include <string_view>

#include "base/blocking_pool.h"
#include "base/result.h"
#include "data/exchange/exchange.h"
#include "net/io/signal.h"
#include "net/io/task.h"

namespace sluice::data {

// A piece of work that blocks, done off the worker while an exchange waits. It owns all that it touches: who waits may
// leave before it is done.
class Aside : public BlockingPool::Job, public std::enable_shared_from_this<Aside> {
 public:
  void run() noexcept final;

 protected:
  virtual void work() noexcept = 0;  // on a thread of the pool, while somebody waits

 private:
  friend net::Task<Status> run_aside(Exchange&, std::string_view, std::shared_ptr<Aside>, Duration);
  friend net::Task<Status> run_on_disk(Exchange&, std::string_view, std::shared_ptr<Aside>);
  struct Wait final : net::Cancellable {
    explicit Wait(net::Loop& loop) noexcept : signal(loop) {}
    net::Signal signal;
    std::optional<Error> error;
    void cancel(Error why) noexcept override;
  };
  net::Loop* loop_ = nullptr;  // of who waits; outlives the pool
  // Nobody waits any more. What was not begun is not done then: those who leave would keep the threads from those who
  // stay.
  std::atomic<bool> left_{false};
  Wait* wait_ = nullptr;  // on the loop's thread; null: nobody waits any more
};

// Waits until `work` is done, at most `longest`. `whose` has its turns among those that have work there. Errors: 503
// where too much waits there or it takes too long; what waits at an exchange is told otherwise (the client left, its
// deadline has passed).
net::Task<Status> run_aside(Exchange& ex, std::string_view whose, std::shared_ptr<Aside> work, Duration longest);

// The same on the threads that wait for the disk, for at most kLongestOnDisk. Nobody who leaves is told meanwhile: both
// directions of an exchange may wait here at once.
inline constexpr Duration kLongestOnDisk = std::chrono::seconds(10);
net::Task<Status> run_on_disk(Exchange& ex, std::string_view whose, std::shared_ptr<Aside> work);

}  // namespace sluice::data
