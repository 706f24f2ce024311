#pragma once
#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <type_traits>
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
    if (held_ == nullptr || held_->users.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    std::destroy_at(&held_->part);
    Held::leave(held_);
  }

  explicit operator bool() const noexcept { return held_ != nullptr; }
  const T* get() const noexcept { return held_ == nullptr ? nullptr : &held_->part; }
  const T& operator*() const noexcept { return held_->part; }
  const T* operator->() const noexcept { return &held_->part; }
  void reset() noexcept { *this = Shared(); }
  // Is this the only copy? Nobody else can make one then, as long as the caller does not, and nobody watches it.
  bool alone() const noexcept { return held_ != nullptr && held_->users.load(std::memory_order_acquire) == 1; }

  friend bool operator==(const Shared& a, const Shared& b) {
    return a.held_ == b.held_ || (a.held_ && b.held_ && *a == *b);
  }

 private:
  struct Held {
    explicit Held(T&& given) : part(std::move(given)) {}
    ~Held() {}
    static void leave(Held* held) noexcept {
      if (held->watchers.fetch_sub(1, std::memory_order_acq_rel) == 1) delete held;
    }
    std::atomic<std::uint32_t> users = 1;     // 0: the part is gone
    std::atomic<std::uint32_t> watchers = 1;  // and one for all users
    union {
      T part;
    };
  };
  Held* held_ = nullptr;

 public:
  // Knows a part without keeping it. No other part comes to stand at its address meanwhile.
  class Watch {
   public:
    explicit Watch(const Shared& of) noexcept : held_(of.held_) {
      if (held_ != nullptr) held_->watchers.fetch_add(1, std::memory_order_relaxed);
    }
    Watch(Watch&& o) noexcept : held_(std::exchange(o.held_, nullptr)) {}
    Watch& operator=(Watch&& o) noexcept {
      std::swap(held_, o.held_);
      return *this;
    }
    ~Watch() {
      if (held_ != nullptr) Held::leave(held_);
    }
    // Null: nobody has it any more.
    Shared lock() const noexcept {
      Shared out;
      if (held_ == nullptr) return out;
      auto users = held_->users.load(std::memory_order_relaxed);
      while (users != 0 && !held_->users.compare_exchange_weak(users, users + 1, std::memory_order_acq_rel)) {
      }
      if (users != 0) out.held_ = held_;
      return out;
    }
    bool gone() const noexcept { return held_ == nullptr || held_->users.load(std::memory_order_acquire) == 0; }
    const T* address() const noexcept { return held_ == nullptr ? nullptr : &held_->part; }

   private:
    Held* held_;
  };
};

// Null where the part says nothing: it is as it is made.
template <class T>
Shared<T> shared_unless_plain(T part) {
  return part == T{} ? Shared<T>() : Shared<T>(std::move(part));
}

// A value that may be large and that many parts have, each beside others of its own: a text or a list of an object that
// many Ingresses name. It is used as the value is; copies share it.
template <class T>
class Common {
 public:
  Common() noexcept = default;
  template <std::convertible_to<T> Other>
    requires(!std::same_as<std::remove_cvref_t<Other>, Common>)
  Common(Other&& value) : part_(shared_unless_plain<T>(std::forward<Other>(value))) {}
  template <class Element>
    requires std::constructible_from<T, std::initializer_list<Element>>
  Common(std::initializer_list<Element> values) : Common(T(values)) {}

  const T& get() const noexcept {
    static const T plain{};
    return part_ ? *part_ : plain;
  }
  operator const T&() const noexcept { return get(); }
  const T* operator->() const noexcept { return &get(); }
  bool empty() const noexcept { return get().empty(); }
  auto begin() const noexcept
    requires requires(const T& all) { all.begin(); }
  {
    return get().begin();
  }
  auto end() const noexcept
    requires requires(const T& all) { all.end(); }
  {
    return get().end();
  }

  // Null where the value is as it is made.
  const Shared<T>& part() const noexcept { return part_; }
  // Another copy of an equal value.
  void share(Shared<T> equal) noexcept { part_ = std::move(equal); }

  friend bool operator==(const Common&, const Common&) = default;

 private:
  Shared<T> part_;
};

}  // namespace sluice::model
