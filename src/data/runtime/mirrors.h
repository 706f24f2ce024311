#pragma once
#include <cstddef>

#include "net/duplex.h"

namespace sluice::data {

// The copies that one worker has on their way to mirrors. Bounded: what is beyond is not copied.
class Mirrors {
 public:
  static constexpr std::size_t kMostAtOnce = 256;
  static constexpr std::size_t kMostBody = 1024 * 1024;        // bytes of one
  static constexpr std::size_t kMostBytes = 16 * 1024 * 1024;  // of all

  // One that is on its way. cancel() ends it soon.
  struct Running : net::Cancellable {
    Running* next = nullptr;
    Running** place = nullptr;  // what points to it

   protected:
    ~Running() = default;
  };
  bool full() const noexcept { return open_ >= kMostAtOnce; }
  // A copy that is made, while its body comes and until it has been answered.
  void enter() noexcept { ++open_; }
  void leave() noexcept { --open_; }
  bool take(std::size_t bytes) noexcept {
    if (bytes_ + bytes > kMostBytes) return false;
    bytes_ += bytes;
    return true;
  }
  void give_back(std::size_t bytes) noexcept { bytes_ -= bytes; }
  void begin(Running& copy) noexcept {
    copy.next = first_;
    copy.place = &first_;
    if (first_ != nullptr) first_->place = &copy.next;
    first_ = &copy;
  }
  void end(Running& copy) noexcept {
    *copy.place = copy.next;
    if (copy.next != nullptr) copy.next->place = copy.place;
  }
  // All of them: the worker ends.
  void cancel_all(Error why) noexcept {
    for (Running* r = first_; r != nullptr;) {
      Running* const next = r->next;
      r->cancel(why);
      r = next;
    }
  }

 private:
  Running* first_ = nullptr;
  std::size_t open_ = 0, bytes_ = 0;
};

}  // namespace sluice::data
