#include "net/io/loop.h"

#include <unistd.h>

#include <algorithm>

namespace sluice::net {

void Loop::cancel_end_of_turn(AtEndOfTurn& who) noexcept {
  for (auto* list : {&ending_, &ending_now_})
    for (auto& due : *list)
      if (due == &who) due = nullptr;
}

void Loop::post(std::function<void()> fn) {
  bool first;
  {
    std::lock_guard lock(mutex_);
    first = posted_.empty();
    posted_.push_back(std::move(fn));
  }
  if (first) {
    const std::uint64_t one = 1;
    [[maybe_unused]] auto n = write(wake_, &one, sizeof one);
  }
}

void Loop::run_posted() {
  std::uint64_t count;
  [[maybe_unused]] auto n = read(wake_, &count, sizeof count);
  if (marked_) mark_took_ = clock_.now() - marked_at_;
  marked_ = false;
  std::vector<std::function<void()>> posted;
  {
    std::lock_guard lock(mutex_);
    posted.swap(posted_);
  }
  for (auto& fn : posted) fn();
}

void Loop::run_ready() {
  while (!ready_.empty()) {
    running_.swap(ready_);
    for (auto h : running_) h.resume();
    running_.clear();
  }
}

// What is asked for meanwhile waits for the end of the next turn: the others have theirs in between.
void Loop::end_turn() {
  if (ending_.empty()) return;
  ending_now_.swap(ending_);
  for (std::size_t i = 0; i < ending_now_.size(); ++i)
    if (auto* who = ending_now_[i]) who->end_of_turn();
  ending_now_.clear();
  run_ready();
}

Turn Loop::measure(Instant begun, bool full) {
  const Duration took = clock_.now() - begun;
  Turn out{begun, took, took};
  if (full || marked_ || mark_took_ > Duration{}) [[unlikely]]
    measure_rest(out, full);
  return out;
}

// What is ready waits for as long as a turn takes. Where a turn cannot take all of it the rest waits for several: how
// many is known once a mark has come that was sent then, as the kernel keeps what is ready in its order.
void Loop::measure_rest(Turn& turn, bool full) {
  const Instant ended = turn.begun + turn.took;
  turn.waited = std::max({turn.took, mark_took_, marked_ ? ended - marked_at_ : Duration{}});
  if (full && !marked_) {
    marked_ = true;
    marked_at_ = ended;
    const std::uint64_t one = 1;
    [[maybe_unused]] auto n = write(wake_, &one, sizeof one);
  }
  if (!marked_) mark_took_ = {};  // else what the last one took counts until the next one has come
}

void Loop::run() {
  while (!stopped_) turn(std::chrono::seconds(1));
}

}  // namespace sluice::net
