#pragma once
#include <set>
#include <string>
#include <tuple>

#include "base/clock.h"
#include "control/kube/references.h"

namespace sluice::control {

// What was good before, and until when it is used (docs/life-of-a-change.md): for Store::kGrace at most. One thread.
class Graces {
 public:
  // What time it is; before it is said nothing is kept. Marks those whose time is over.
  void at(Instant now) {
    now_ = now;
    while (!all_.empty() && std::get<Instant>(*all_.begin()) <= now) {
      const auto over = std::move(all_.extract(all_.begin()).value());
      std::get<Dependant*>(over)->mark(std::get<std::string>(over));
    }
  }
  Instant now() const noexcept { return now_; }
  bool begun() const noexcept { return now_ != Instant{}; }
  // Far in the future where nothing is kept.
  Instant next() const { return all_.empty() ? Instant::max() : std::get<Instant>(*all_.begin()); }

  // May what was good before of this part still be used? The first question begins the time; `until` stands beside the
  // part.
  bool graced(Dependant& who, const std::string& part, Instant& until);
  // It is needed no more.
  void settle(Dependant& who, const std::string& part, Instant& until) {
    if (until == Instant{}) return;
    if (const auto at = all_.find({until, &who, part}); at != all_.end()) all_.erase(at);  // else its time is over
    until = {};
  }

 private:
  Instant now_{};
  std::multiset<std::tuple<Instant, Dependant*, std::string>> all_;  // a part may have two
};

}  // namespace sluice::control
