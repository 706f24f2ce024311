#pragma once
#include <condition_variable>
#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

// Work that blocks or computes for long, on a few threads of its own: nobody's requests wait for it but those that
// asked for it.
namespace sluice {

class BlockingPool {
 public:
  // What waits at most.
  struct Bounds {
    std::size_t all = 256;  // together
    std::size_t of = 128;   // of one asker
  };

  class Job {
   public:
    virtual ~Job() = default;
    virtual void run() noexcept = 0;  // on a thread of the pool
  };

  // The threads are there when it returns, and of lower priority than the caller.
  explicit BlockingPool(unsigned threads) : BlockingPool(threads, Bounds{}, "blocking") {}
  BlockingPool(unsigned threads, Bounds bounds, const char* name);
  ~BlockingPool();
  BlockingPool(const BlockingPool&) = delete;
  BlockingPool& operator=(const BlockingPool&) = delete;

  // False: too much waits already, or there is no memory, and the job will not be run. `whose`: who asks; those that
  // have work here have turns one after the other, so that none waits for all of another's. Any thread; takes a lock.
  bool submit(std::string_view whose, std::shared_ptr<Job> job) noexcept;
  // Waits for what runs. What has not begun never does; nor does what is submitted later.
  void stop() noexcept;

 private:
  struct Line {
    std::string whose;
    std::list<std::shared_ptr<Job>> jobs;  // never empty
  };
  void work();
  std::shared_ptr<Job> next();

  const Bounds bounds_;
  std::mutex mutex_;
  std::condition_variable news_;
  std::list<Line> lines_;  // the first has the next turn
  std::size_t waiting_ = 0;
  bool stopped_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace sluice
