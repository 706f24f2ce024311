#pragma once
#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace sluice::model {

// A part of settings that most do without: one pointer, null where it is not used. The part never changes, copies
// share it, and any thread may read and drop them. Equal when the parts are: two that were read apart, of the same
// words, are the same wish.
template <class T>
class Shared {
 public:
  Shared() noexcept = default;
  Shared(std::nullptr_t) noexcept {}
  Shared(T part) : held_(new Held(std::move(part))) {}
  Shared(const Shared& o) noexcept : held_(o.held_) {
    if (held_ != nullptr) held_->users.fetch_add(1, std::memory_order_relaxed);
  }
  Shared(Shared&& o) noexcept : held_(std::exchange(o.held_, nullptr)) {}
  Shared& operator=(Shared o) noexcept {
    std::swap(held_, o.held_);
    return *this;
  }
  ~Shared() {
    if (held_ != nullptr && held_->users.fetch_sub(1, std::memory_order_acq_rel) == 1) delete held_;
  }

  explicit operator bool() const noexcept { return held_ != nullptr; }
  const T* get() const noexcept { return held_ == nullptr ? nullptr : &held_->part; }
  const T& operator*() const noexcept { return held_->part; }
  const T* operator->() const noexcept { return &held_->part; }
  void reset() noexcept { *this = Shared(); }
  // Is this the only copy? Nobody else can make one then, as long as the caller does not.
  bool alone() const noexcept { return held_ != nullptr && held_->users.load(std::memory_order_acquire) == 1; }

  friend bool operator==(const Shared& a, const Shared& b) {
    return a.held_ == b.held_ || (a.held_ && b.held_ && *a == *b);
  }

 private:
  struct Held {
    explicit Held(T&& given) : part(std::move(given)) {}
    std::atomic<std::uint32_t> users = 1;
    const T part;
  };
  Held* held_ = nullptr;
};

// Null where the part says nothing: it is as it is made.
template <class T>
Shared<T> shared_unless_plain(T part) {
  return part == T{} ? Shared<T>() : Shared<T>(std::move(part));
}

}  // namespace sluice::model
