#include "net/io/deadlines.h"

#include <algorithm>

namespace sluice::net {

DeadlineWheel::DeadlineWheel(Instant now) : start_(now) {
  for (auto& s : slots_) s.next_ = s.prev_ = &s;
  for (Head* s : {&at_once_, &polled_}) s->next_ = s->prev_ = s;
}

DeadlineWheel::~DeadlineWheel() {
  const auto empty = [](Head& s) {
    while (s.next_ != &s) s.next_->disarm();
    s.next_ = s.prev_ = nullptr;
  };
  for (auto& s : slots_) empty(s);
  empty(at_once_);
  empty(polled_);
}

void DeadlineWheel::insert(Deadline& d, Head& head) noexcept {
  d.next_ = &head;
  d.prev_ = head.prev_;
  head.prev_->next_ = &d;
  head.prev_ = &d;
}

void DeadlineWheel::take(Head& from, Head& to) noexcept {
  if (from.next_ == &from) return;
  to.next_ = from.next_;
  to.prev_ = from.prev_;
  to.next_->prev_ = to.prev_->next_ = &to;
  from.next_ = from.prev_ = &from;
}

void DeadlineWheel::fire(Head& due) {
  while (due.next_ != &due) {
    Deadline* d = due.next_;
    d->disarm();
    d->expired();
  }
}

void DeadlineWheel::arm(Deadline& d, Instant at) noexcept {
  d.disarm();
  d.at_ = at;
  if (at == kAtOnce) return insert(d, at_once_);
  // The tick after `at`, so that it never fires early; at least the next one.
  const std::uint64_t tick = std::max(at <= start_ ? 0 : tick_of(at) + 1, current_ + 1);
  clear_until_ = std::min(clear_until_, tick);
  insert(d, slots_[tick % kSlots]);
}

void DeadlineWheel::advance(Instant now) {
  fire(polled_);
  const std::uint64_t target = tick_of(now);
  if (target <= current_) return;
  const std::uint64_t steps = std::min<std::uint64_t>(target - current_, kSlots);
  const std::uint64_t from = target - steps;
  current_ = target;
  for (std::uint64_t t = from + 1; t <= target; ++t) {
    Head& head = slots_[t % kSlots];
    // Moved to a list of its own first: callbacks arm and disarm while it is walked.
    Head due;
    due.next_ = due.prev_ = &due;
    for (Deadline* d = head.next_; d != &head;) {
      Deadline* following = d->next_;
      if (d->at_ <= now) {
        d->disarm();
        insert(*d, due);
      }
      d = following;
    }
    fire(due);
    due.next_ = due.prev_ = nullptr;
  }
}

Duration DeadlineWheel::next(Instant now) noexcept {
  take(at_once_, polled_);
  if (polled_.next_ != &polled_) return Duration(0);
  // What a turn has found empty the next one need not look at again: there are two turns for each request.
  constexpr std::uint64_t kLook = 10;
  const auto empty = [](const Head& head) { return head.next_ == &head; };
  clear_until_ = std::max(clear_until_, current_ + 1);
  while (clear_until_ <= current_ + kLook && empty(slots_[clear_until_ % kSlots])) ++clear_until_;
  if (clear_until_ > current_ + kLook) return kTick * kLook;
  return std::max<Duration>(start_ + clear_until_ * kTick - now, Duration(0));
}

}  // namespace sluice::net
