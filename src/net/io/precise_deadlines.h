#pragma once
#include <cstddef>
#include <vector>

#include "base/clock.h"

// Deadlines to the millisecond, for what a tick of the wheel (deadlines.h) is too coarse. Arming costs the logarithm of
// how many are armed: for what few requests wait for, and not for every read.
namespace sluice::net {

class PreciseDeadlines;

// Embedded in what waits. Must be disarmed or destroyed before its loop; destruction disarms.
class PreciseDeadline {
 public:
  PreciseDeadline() noexcept = default;
  PreciseDeadline(const PreciseDeadline&) = delete;
  PreciseDeadline& operator=(const PreciseDeadline&) = delete;
  virtual ~PreciseDeadline() { disarm(); }
  virtual void expired() = 0;
  bool armed() const noexcept { return of_ != nullptr; }
  void disarm() noexcept;

 private:
  friend class PreciseDeadlines;
  PreciseDeadlines* of_ = nullptr;
  std::size_t place_ = 0;  // in its heap
  Instant at_{};
};

// A heap of those that are armed, the next one first. One thread.
class PreciseDeadlines {
 public:
  PreciseDeadlines() noexcept = default;
  PreciseDeadlines(const PreciseDeadlines&) = delete;
  PreciseDeadlines& operator=(const PreciseDeadlines&) = delete;
  ~PreciseDeadlines() {
    for (PreciseDeadline* d : heap_) d->of_ = nullptr;
  }

  bool empty() const noexcept { return heap_.empty(); }
  // There is one.
  Instant next() const noexcept { return heap_.front()->at_; }
  void arm(PreciseDeadline& d, Instant at) {
    d.disarm();
    d.of_ = this;
    d.at_ = at;
    heap_.push_back(&d);
    rise(heap_.size() - 1);
  }
  // Fires what is due, never early; no more than were armed before, however often callbacks arm anew.
  void advance(Instant now) {
    for (std::size_t most = heap_.size(); most > 0 && !heap_.empty() && next() <= now; --most) {
      PreciseDeadline& due = *heap_.front();
      due.disarm();
      due.expired();
    }
  }

 private:
  friend class PreciseDeadline;
  void put(std::size_t place, PreciseDeadline* d) noexcept {
    heap_[place] = d;
    d->place_ = place;
  }
  void rise(std::size_t place) noexcept {
    PreciseDeadline* const d = heap_[place];
    while (place > 0 && d->at_ < heap_[(place - 1) / 2]->at_) {
      put(place, heap_[(place - 1) / 2]);
      place = (place - 1) / 2;
    }
    put(place, d);
  }
  void sink(std::size_t place) noexcept {
    PreciseDeadline* const d = heap_[place];
    for (;;) {
      std::size_t below = place * 2 + 1;
      if (below >= heap_.size()) break;
      if (below + 1 < heap_.size() && heap_[below + 1]->at_ < heap_[below]->at_) ++below;
      if (d->at_ <= heap_[below]->at_) break;
      put(place, heap_[below]);
      place = below;
    }
    put(place, d);
  }
  void remove(PreciseDeadline& d) noexcept {
    const std::size_t place = d.place_;
    d.of_ = nullptr;
    PreciseDeadline* const last = heap_.back();
    heap_.pop_back();
    if (last == &d) return;
    put(place, last);
    rise(place);
    sink(last->place_);
  }
  std::vector<PreciseDeadline*> heap_;
};

inline void PreciseDeadline::disarm() noexcept {
  if (of_ != nullptr) of_->remove(*this);
}

}  // namespace sluice::net
