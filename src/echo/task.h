#pragma once
#include <coroutine>
#include <exception>
#include <utility>

// Coroutines of the echo pod. Independent of the data path on purpose: a test that uses the pod must not share the
// faults of what it tests.
namespace sluice::echo {

// A lazily started coroutine; awaiting it starts it and resumes the awaiter when it ends. Single thread.
template <class T>
class [[nodiscard]] Task {
 public:
  struct promise_type {
    std::coroutine_handle<> continuation;
    bool starting = false;
    T value{};
    Task get_return_object() { return Task(std::coroutine_handle<promise_type>::from_promise(*this)); }
    std::suspend_always initial_suspend() noexcept { return {}; }
    struct Final {
      bool await_ready() noexcept { return false; }
      void await_suspend(std::coroutine_handle<promise_type> h) noexcept {
        if (!h.promise().starting) h.promise().continuation.resume();
      }
      void await_resume() noexcept {}
    };
    Final final_suspend() noexcept { return {}; }
    void return_value(T v) { value = std::move(v); }
    void unhandled_exception() { std::terminate(); }
  };

  explicit Task(std::coroutine_handle<promise_type> h) : handle_(h) {}
  Task(Task&& o) noexcept : handle_(std::exchange(o.handle_, nullptr)) {}
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  Task& operator=(Task&&) = delete;
  ~Task() {
    if (handle_) handle_.destroy();
  }

  bool await_ready() const noexcept { return false; }
  // A task that ends without waiting goes on in its awaiter without a resume, so that loops over such tasks do not
  // grow the stack (symmetric transfer is a tail call only in optimised builds).
  bool await_suspend(std::coroutine_handle<> awaiter) noexcept {
    auto& p = handle_.promise();
    p.continuation = awaiter;
    p.starting = true;
    handle_.resume();
    p.starting = false;
    return !handle_.done();
  }
  T await_resume() { return std::move(handle_.promise().value); }

 private:
  std::coroutine_handle<promise_type> handle_;
};

// A coroutine that nobody waits for; it starts at once and frees itself.
struct Detached {
  struct promise_type {
    Detached get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

}  // namespace sluice::echo
