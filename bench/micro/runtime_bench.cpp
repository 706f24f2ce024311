// The choices below the path of a request, each beside what it was chosen over (docs/adr/0008-how-a-worker-runs.md).
#include <benchmark/benchmark.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <fcntl.h>
#include <boost/asio.hpp>
#include <cstdlib>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "net/io/deadlines.h"
#include "net/io/task.h"

namespace {

using namespace sluice;  // NOLINT(google-build-using-namespace): a benchmark is read as a list

// ---- An operation three calls deep that waits once: what a read of an exchange is.

struct Event {
  std::coroutine_handle<> waiter;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> h) noexcept { waiter = h; }
  void await_resume() const noexcept {}
};

net::Task<int> leaf(Event& e) {
  co_await e;
  co_return 1;
}
net::Task<int> middle(Event& e) {
  const int n = co_await leaf(e);
  co_return n + 1;
}
net::Task<void> top(Event& e, int& out) {
  out += co_await middle(e);
}

void CoroutinesPooledFrames(benchmark::State& state) {
  Event e;
  int sum = 0;
  for (auto _ : state) {
    net::spawn(top(e, sum));
    e.waiter.resume();
  }
  benchmark::DoNotOptimize(sum);
}
BENCHMARK(CoroutinesPooledFrames);

// The same with frames from the heap.
struct HeapTask {
  struct promise_type {
    std::coroutine_handle<> continuation;
    int value = 0;
    HeapTask get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    struct Final {
      bool await_ready() const noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> h) const noexcept {
        return h.promise().continuation;
      }
      void await_resume() const noexcept {}
    };
    Final final_suspend() const noexcept { return {}; }
    void return_value(int n) noexcept { value = n; }
    [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }
  };
  std::coroutine_handle<promise_type> h;
  ~HeapTask() { h.destroy(); }
  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> c) const noexcept {
    h.promise().continuation = c;
    return h;
  }
  int await_resume() const noexcept { return h.promise().value; }
};
struct HeapDetached {
  struct promise_type {
    HeapDetached get_return_object() const noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }
  };
};
HeapTask heap_leaf(Event& e) {
  co_await e;
  co_return 1;
}
HeapTask heap_middle(Event& e) {
  const int n = co_await heap_leaf(e);
  co_return n + 1;
}
HeapDetached heap_top(Event& e, int& out) {
  out += co_await heap_middle(e);
}

void CoroutinesHeapFrames(benchmark::State& state) {
  Event e;
  int sum = 0;
  for (auto _ : state) {
    heap_top(e, sum);
    e.waiter.resume();
  }
  benchmark::DoNotOptimize(sum);
}
BENCHMARK(CoroutinesHeapFrames);

// The same as callbacks that own what they need.
struct Callbacks {
  std::function<void()> waiter;
  void leaf(std::function<void(int)> done) {
    waiter = [done = std::move(done)] { done(1); };
  }
  void middle(std::function<void(int)> done) {
    leaf([done = std::move(done)](int n) { done(n + 1); });
  }
};

void CallbacksInFunctions(benchmark::State& state) {
  Callbacks c;
  int sum = 0;
  for (auto _ : state) {
    c.middle([&sum](int n) { sum += n; });
    auto run = std::move(c.waiter);
    run();
  }
  benchmark::DoNotOptimize(sum);
}
BENCHMARK(CallbacksInFunctions);

// The same as a hand-written machine of states in the connection: the least that there is.
struct Machine {
  enum class At { idle, waiting } at = At::idle;
  virtual void wait() { at = At::waiting; }
  virtual void event(int& sum) {
    if (at == At::waiting) sum += 2;
    at = At::idle;
  }
  virtual ~Machine() = default;
};

void StatesByHand(benchmark::State& state) {
  Machine m;
  Machine* p = &m;
  int sum = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(p);
    p->wait();
    p->event(sum);
  }
  benchmark::DoNotOptimize(sum);
}
BENCHMARK(StatesByHand);

// ---- How whoever waits is resumed.

void ResumeDirectly(benchmark::State& state) {
  Event e;
  const bool* go = nullptr;
  static constexpr bool yes = true;
  go = &yes;
  auto loop = [](Event& event, const bool* on) -> net::Task<void> {
    while (*on) co_await event;
  };
  net::spawn(loop(e, go));
  for (auto _ : state) e.waiter.resume();
}
BENCHMARK(ResumeDirectly);

void ResumeThroughAQueue(benchmark::State& state) {
  Event e;
  static constexpr bool yes = true;
  auto loop = [](Event& event, const bool* on) -> net::Task<void> {
    while (*on) co_await event;
  };
  net::spawn(loop(e, &yes));
  std::vector<std::coroutine_handle<>> ready, running;
  for (auto _ : state) {
    ready.push_back(e.waiter);
    running.swap(ready);
    for (auto h : running) h.resume();
    running.clear();
  }
}
BENCHMARK(ResumeThroughAQueue);

template <class Executor>
void asio_post(benchmark::State& state, int hint) {
  boost::asio::io_context io(hint);
  const Executor executor = io.get_executor();
  int n = 0;
  for (auto _ : state) {
    boost::asio::post(executor, [&n] { ++n; });
    io.poll();
    io.restart();
  }
  benchmark::DoNotOptimize(n);
}
void AsioPostConcreteOneThread(benchmark::State& state) {
  asio_post<boost::asio::io_context::executor_type>(state, BOOST_ASIO_CONCURRENCY_HINT_UNSAFE);
}
BENCHMARK(AsioPostConcreteOneThread);
void AsioPostErasedOneThread(benchmark::State& state) {
  asio_post<boost::asio::any_io_executor>(state, BOOST_ASIO_CONCURRENCY_HINT_UNSAFE);
}
BENCHMARK(AsioPostErasedOneThread);
void AsioPostErasedWithLocks(benchmark::State& state) {
  asio_post<boost::asio::any_io_executor>(state, BOOST_ASIO_CONCURRENCY_HINT_SAFE);
}
BENCHMARK(AsioPostErasedWithLocks);

// ---- Deadlines: one armed anew and taken back, as each phase of a request does, among others that stay.

struct Nothing final : net::Deadline {
  void expired() override {}
};

void DeadlineOnTheWheel(benchmark::State& state) {
  const Instant start{};
  net::DeadlineWheel wheel(start);
  std::deque<Nothing> others(static_cast<std::size_t>(state.range(0)));
  for (std::size_t i = 0; auto& d : others) wheel.arm(d, start + std::chrono::seconds(1 + i++ % 75));
  Nothing d;
  for (auto _ : state) {
    wheel.arm(d, start + std::chrono::seconds(60));
    d.disarm();
  }
}
BENCHMARK(DeadlineOnTheWheel)->Arg(10)->Arg(10'000);

void DeadlineInATree(benchmark::State& state) {
  const Instant start{};
  std::multimap<Instant, net::Deadline*> tree;
  for (std::int64_t i = 0; i < state.range(0); ++i) tree.emplace(start + std::chrono::seconds(1 + i % 75), nullptr);
  Nothing d;
  for (auto _ : state) {
    auto at = tree.emplace(start + std::chrono::seconds(60), &d);
    tree.erase(at);
  }
}
BENCHMARK(DeadlineInATree)->Arg(10)->Arg(10'000);

void DeadlineInTheKernel(benchmark::State& state) {
  const int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  itimerspec on{}, off{};
  on.it_value.tv_sec = 60;
  for (auto _ : state) {
    timerfd_settime(fd, 0, &on, nullptr);
    timerfd_settime(fd, 0, &off, nullptr);
  }
  close(fd);
}
BENCHMARK(DeadlineInTheKernel);

// ---- Descriptors.

struct Pair {
  int a = -1, b = -1;
  Pair() {
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    if (bind(listener, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0 || ::listen(listener, 1) != 0 ||
        getsockname(listener, reinterpret_cast<sockaddr*>(&at), &size) != 0)
      std::abort();
    a = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(a, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0) std::abort();
    b = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    const int one = 1;
    for (const int fd : {a, b}) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    close(listener);
  }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;
  ~Pair() {
    close(a);
    close(b);
  }
};

// A message arrives and is waited for: registered once edge-triggered, or armed again for each wait as one-shot.
void wait_for_message(benchmark::State& state, std::uint32_t flags, bool again) {
  Pair p;
  const int poll = epoll_create1(EPOLL_CLOEXEC);
  epoll_event e{flags, {}};
  epoll_ctl(poll, EPOLL_CTL_ADD, p.b, &e);
  char byte[64] = {};
  for (auto _ : state) {
    if (send(p.a, byte, sizeof byte, 0) < 0) return state.SkipWithError("send");
    if (again) {
      e.events = flags;
      epoll_ctl(poll, EPOLL_CTL_MOD, p.b, &e);
    }
    if (epoll_wait(poll, &e, 1, 1000) != 1) return state.SkipWithError("nothing came");
    if (recv(p.b, byte, sizeof byte, 0) < 0) return state.SkipWithError("recv");
  }
  close(poll);
}
void WaitRegisteredOnce(benchmark::State& state) {
  wait_for_message(state, EPOLLIN | EPOLLET, false);
}
BENCHMARK(WaitRegisteredOnce);
void WaitArmedEachTime(benchmark::State& state) {
  wait_for_message(state, EPOLLIN | EPOLLONESHOT, true);
}
BENCHMARK(WaitArmedEachTime);

// An idle connection to a pod, taken from a pool: the worker's own, or one of all workers, which must take it over into
// another epoll.
void PoolOfTheWorker(benchmark::State& state) {
  std::vector<int> idle{1, 2, 3, 4};
  for (auto _ : state) {
    const int fd = idle.back();
    idle.pop_back();
    benchmark::DoNotOptimize(fd);
    idle.push_back(fd);
  }
}
BENCHMARK(PoolOfTheWorker);
void PoolOfAllWorkers(benchmark::State& state) {
  Pair p;
  const int from = epoll_create1(EPOLL_CLOEXEC), to = epoll_create1(EPOLL_CLOEXEC);
  epoll_event e{EPOLLIN | EPOLLET, {}};
  epoll_ctl(from, EPOLL_CTL_ADD, p.b, &e);
  std::mutex mutex;
  std::vector<int> idle{p.b};
  int owner = from, taker = to;
  for (auto _ : state) {
    std::unique_lock lock(mutex);
    const int fd = idle.back();
    idle.pop_back();
    lock.unlock();
    epoll_ctl(owner, EPOLL_CTL_DEL, fd, &e);
    epoll_ctl(taker, EPOLL_CTL_ADD, fd, &e);
    std::swap(owner, taker);
    lock.lock();
    idle.push_back(fd);
  }
  close(from);
  close(to);
}
BENCHMARK(PoolOfAllWorkers);

// ---- 1 MiB from one connection to another: the thread's CPU time is what counts; two others write and read.
enum class Way : std::uint8_t { copy, splice };
void relay(benchmark::State& state, Way way, std::size_t piece) {
  constexpr std::size_t each = 1 << 20;
  Pair in, out;
  std::thread writer([fd = in.a] {
    const std::string data(256 * 1024, 'x');
    while (send(fd, data.data(), data.size(), MSG_NOSIGNAL) > 0) {
    }
  });
  std::thread reader([fd = out.b] {
    std::vector<char> sink(256 * 1024);
    while (recv(fd, sink.data(), sink.size(), 0) > 0) {
    }
  });
  int pipes[2];
  if (pipe2(pipes, O_CLOEXEC) != 0) std::abort();
  fcntl(pipes[0], F_SETPIPE_SZ, static_cast<int>(piece));
  std::vector<char> scratch(piece);
  std::size_t calls = 0;
  for (auto _ : state) {
    for (std::size_t done = 0; done < each; calls += 2) {
      const ssize_t n = way == Way::copy ? recv(in.b, scratch.data(), std::min(piece, each - done), 0)
                                         : splice(in.b, nullptr, pipes[1], nullptr, std::min(piece, each - done),
                                                  SPLICE_F_MOVE | SPLICE_F_MORE);
      if (n <= 0) return state.SkipWithError("read");
      for (ssize_t sent = 0; sent < n;) {
        const ssize_t m =
            way == Way::copy
                ? send(out.a, scratch.data() + sent, static_cast<std::size_t>(n - sent), MSG_NOSIGNAL)
                : splice(pipes[0], nullptr, out.a, nullptr, static_cast<std::size_t>(n - sent), SPLICE_F_MOVE);
        if (m <= 0) return state.SkipWithError("write");
        sent += m;
      }
      done += static_cast<std::size_t>(n);
    }
  }
  state.counters["calls"] = benchmark::Counter(static_cast<double>(calls), benchmark::Counter::kAvgIterations);
  for (const int fd : {in.a, in.b, out.a, out.b}) shutdown(fd, SHUT_RDWR);
  writer.join();
  reader.join();
  for (const int fd : pipes) close(fd);
}
void RelayThroughScratch(benchmark::State& state) {
  relay(state, Way::copy, static_cast<std::size_t>(state.range(0)) * 1024);
}
BENCHMARK(RelayThroughScratch)->Arg(16)->Arg(64)->Arg(256)->Unit(benchmark::kMicrosecond);
void RelayBySplice(benchmark::State& state) {
  relay(state, Way::splice, static_cast<std::size_t>(state.range(0)) * 1024);
}
BENCHMARK(RelayBySplice)->Arg(64)->Arg(256)->Arg(1024)->Unit(benchmark::kMicrosecond);

}  // namespace
