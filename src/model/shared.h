#pragma once
#include <concepts>
#include <memory>
#include <utility>

namespace sluice::model {

// A part of settings that most do without: one pointer, null where it is not used. The part never changes, copies
// share it, and any thread may read and drop them. Equal when the parts are: two that were read apart, of the same
// words, are the same wish.
template <class T>
class Shared {
 public:
  Shared() noexcept = default;
  Shared(T part) : held_(std::make_shared<const T>(std::move(part))) {}
  template <class Other>
    requires std::convertible_to<std::shared_ptr<Other>, std::shared_ptr<const T>>
  Shared(std::shared_ptr<Other> held) noexcept : held_(std::move(held)) {}

  explicit operator bool() const noexcept { return held_ != nullptr; }
  const T* get() const noexcept { return held_.get(); }
  const T& operator*() const noexcept { return *held_; }
  const T* operator->() const noexcept { return held_.get(); }
  void reset() noexcept { held_.reset(); }
  // For those that tell parts apart by where they are.
  const std::shared_ptr<const T>& pointer() const noexcept { return held_; }

  friend bool operator==(const Shared& a, const Shared& b) {
    return a.held_ == b.held_ || (a.held_ && b.held_ && *a.held_ == *b.held_);
  }

 private:
  std::shared_ptr<const T> held_;
};

}  // namespace sluice::model
