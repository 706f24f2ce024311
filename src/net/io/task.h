#pragma once
#include <coroutine>
#include <cstddef>
#include <exception>
#include <new>
#include <optional>
#include <utility>

// Coroutines of the data path. A Task is lazy, has one owner and runs on the thread that awaits it; finishing resumes
// the awaiter directly (symmetric transfer), never through a queue. Nothing here throws: an escaping exception ends
// the process with a report, because the state of an exchange would be unknown.
namespace sluice::net {

// Frames come from free lists of the thread, by size class; at most kKept blocks of a class are kept.
class FramePool {
 public:
  static void* allocate(std::size_t size) {
    const std::size_t cls = (size + kStep - 1) / kStep;
    if (cls < kClasses) {
      auto& list = lists()[cls];
      if (list.head) {
        void* p = list.head;
        list.head = *static_cast<void**>(p);
        --list.count;
        return p;
      }
      return ::operator new(cls * kStep);
    }
    return ::operator new(size);
  }
  static void release(void* p, std::size_t size) noexcept {
    const std::size_t cls = (size + kStep - 1) / kStep;
    if (cls < kClasses) {
      auto& list = lists()[cls];
      if (list.count < kKept) {
        *static_cast<void**>(p) = list.head;
        list.head = p;
        ++list.count;
        return;
      }
    }
    ::operator delete(p);
  }

 private:
  static constexpr std::size_t kStep = 64, kClasses = 64, kKept = 256;
  struct List {
    void* head = nullptr;
    std::size_t count = 0;
    ~List() {
      while (head) {
        void* next = *static_cast<void**>(head);
        ::operator delete(head);
        head = next;
      }
    }
  };
  static List* lists() {
    thread_local List l[kClasses];
    return l;
  }
};

struct PooledFrame {
#ifndef SLUICE_SANITIZED  // sanitizers see each frame's life as it is
  static void* operator new(std::size_t size) { return FramePool::allocate(size); }
  static void operator delete(void* p, std::size_t size) noexcept { FramePool::release(p, size); }
#endif
};

template <class T = void>
class [[nodiscard]] Task;

namespace detail {
struct FinalAwaiter {
  bool await_ready() const noexcept { return false; }
  template <class P>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<P> h) const noexcept {
    auto next = h.promise().continuation;
    return next ? next : std::noop_coroutine();
  }
  void await_resume() const noexcept {}
};
struct PromiseBase : PooledFrame {
  std::coroutine_handle<> continuation;
  std::suspend_always initial_suspend() const noexcept { return {}; }
  FinalAwaiter final_suspend() const noexcept { return {}; }
  [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }
};
}  // namespace detail

template <class T>
class [[nodiscard]] Task {
 public:
  struct promise_type : detail::PromiseBase {
    std::optional<T> value;
    Task get_return_object() { return Task{std::coroutine_handle<promise_type>::from_promise(*this)}; }
    template <class U>
    void return_value(U&& u) {
      value.emplace(std::forward<U>(u));
    }
  };
  Task(Task&& o) noexcept : h_(std::exchange(o.h_, {})) {}
  Task& operator=(Task&& o) noexcept {
    if (this != &o) {
      if (h_) h_.destroy();
      h_ = std::exchange(o.h_, {});
    }
    return *this;
  }
  ~Task() {
    if (h_) h_.destroy();
  }
  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiter) noexcept {
    h_.promise().continuation = awaiter;
    return h_;
  }
  T await_resume() { return std::move(*h_.promise().value); }

 private:
  explicit Task(std::coroutine_handle<promise_type> h) : h_(h) {}
  std::coroutine_handle<promise_type> h_;
};

template <>
class [[nodiscard]] Task<void> {
 public:
  struct promise_type : detail::PromiseBase {
    Task get_return_object() { return Task{std::coroutine_handle<promise_type>::from_promise(*this)}; }
    void return_void() const noexcept {}
  };
  Task(Task&& o) noexcept : h_(std::exchange(o.h_, {})) {}
  Task& operator=(Task&& o) noexcept {
    if (this != &o) {
      if (h_) h_.destroy();
      h_ = std::exchange(o.h_, {});
    }
    return *this;
  }
  ~Task() {
    if (h_) h_.destroy();
  }
  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiter) noexcept {
    h_.promise().continuation = awaiter;
    return h_;
  }
  void await_resume() const noexcept {}

 private:
  explicit Task(std::coroutine_handle<promise_type> h) : h_(h) {}
  std::coroutine_handle<promise_type> h_;
};

namespace detail {
struct Detached {
  struct promise_type : PooledFrame {
    Detached get_return_object() const noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }
  };
};
inline Detached run_detached(Task<void> task) {
  co_await task;
}
}  // namespace detail

// Runs a task to its end with nobody waiting for it. Its owner is itself.
inline void spawn(Task<void> task) {
  detail::run_detached(std::move(task));
}

// The one fork of the relay: starts `task` at once; join() waits for it. The Fork must not die before the task ended.
template <class T>
class Fork {
 public:
  explicit Fork(Task<T> task) { run(this, std::move(task)); }
  Fork(const Fork&) = delete;
  Fork& operator=(const Fork&) = delete;
  bool done() const noexcept { return value_.has_value(); }
  const T& value() const noexcept { return *value_; }
  // Awaited at most once at a time.
  auto join() noexcept {
    struct Awaiter {
      Fork* fork;
      bool await_ready() const noexcept { return fork->done(); }
      void await_suspend(std::coroutine_handle<> h) const noexcept { fork->waiter_ = h; }
      T await_resume() const { return *fork->value_; }
    };
    return Awaiter{this};
  }

 private:
  static detail::Detached run(Fork* self, Task<T> task) {
    T value = co_await task;
    self->value_.emplace(std::move(value));
    if (auto waiter = std::exchange(self->waiter_, {})) waiter.resume();
  }
  std::optional<T> value_;
  std::coroutine_handle<> waiter_;
};

}  // namespace sluice::net
