#include "base/blocking_pool.h"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace sluice {

BlockingPool::BlockingPool(unsigned threads, Bounds bounds, const char* name) : bounds_(bounds) {
  for (unsigned i = 0; i < threads; ++i) {
    threads_.emplace_back([this] {
      ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), 5);
      work();
    });
    pthread_setname_np(threads_.back().native_handle(), name);
  }
}

BlockingPool::~BlockingPool() {
  stop();
}

bool BlockingPool::submit(std::string_view whose, std::shared_ptr<Job> job) noexcept {
  try {
    const std::lock_guard lock(mutex_);
    if (stopped_ || waiting_ >= bounds_.all) return false;
    auto line = std::ranges::find(lines_, whose, &Line::whose);
    if (line != lines_.end()) {
      if (line->jobs.size() >= bounds_.of) return false;
      line->jobs.push_back(std::move(job));
    } else {
      Line fresh{std::string(whose), {}};
      fresh.jobs.push_back(std::move(job));
      lines_.push_back(std::move(fresh));
    }
    ++waiting_;
  } catch (const std::bad_alloc&) {
    return false;
  }
  news_.notify_one();
  return true;
}

// With the lock, when something waits.
std::shared_ptr<BlockingPool::Job> BlockingPool::next() {
  const auto line = lines_.begin();
  auto job = std::move(line->jobs.front());
  line->jobs.pop_front();
  --waiting_;
  if (line->jobs.empty())
    lines_.erase(line);
  else
    lines_.splice(lines_.end(), lines_, line);
  return job;
}

void BlockingPool::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    news_.wait(lock, [&] { return stopped_ || waiting_ > 0; });
    if (stopped_) return;
    auto job = next();
    lock.unlock();
    job->run();
    job.reset();
    lock.lock();
  }
}

void BlockingPool::stop() noexcept {
  {
    std::list<Line> dropped;  // outlives the lock: a job's end is not our affair
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    dropped.swap(lines_);
    waiting_ = 0;
  }
  news_.notify_all();
  for (auto& thread : threads_)
    if (thread.joinable()) thread.join();
}

}  // namespace sluice
