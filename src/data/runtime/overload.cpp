#include "data/runtime/overload.h"

#include <algorithm>
#include <utility>

namespace sluice::data {

namespace {

// How long a rung holds on after the figure has fallen. Those that clients feel at once end at once.
constexpr Duration hold(Rung r) noexcept {
  return r >= Rung::refuse ? Duration(std::chrono::milliseconds(200)) : Duration(std::chrono::seconds(5));
}

Rung rung_of(unsigned share, const RungThresholds& thresholds) noexcept {
  Rung out = Rung::calm;
  for (std::size_t i = 0; i < kRungs; ++i)
    if (thresholds[i] && share >= thresholds[i]) out = static_cast<Rung>(i + 1);
  return out;
}

constexpr unsigned kNearShare = 600;              // from here on it is looked at often
constexpr std::uint64_t kLeastStep = 128 * 1024;  // a look costs what accepting some connections does
constexpr std::uint64_t kUnlimited = std::uint64_t{1} << 40;

}  // namespace

Rung Ladder::step(unsigned share, const RungThresholds& thresholds, Instant now) noexcept {
  const Rung up = rung_of(share, thresholds);
  if (up >= rung_) {
    rung_ = up;
    above_ = now;
    return rung_;
  }
  const Rung down = rung_of(share + kMargin, thresholds);
  if (down >= rung_) {
    above_ = now;
  } else if (now - above_ >= hold(rung_)) {
    // From what clients feel to what they do not; from there on in its own time.
    rung_ = rung_ >= Rung::refuse ? std::max(down, Rung::shed) : down;
    above_ = now;
  }
  return rung_;
}

Overload::Overload(const Clock& clock, std::function<MemoryFigures()> read, unsigned workers)
    : clock_(clock), read_(std::move(read)), workers_(std::max(workers, 1U)), step_(kUnlimited) {
  set_thresholds({850, 900, 950, 980});
}

void Overload::set_thresholds(const RungThresholds& thresholds) noexcept {
  for (std::size_t i = 0; i < kRungs; ++i) thresholds_[i].store(thresholds[i], std::memory_order_relaxed);
}

void Overload::look() noexcept {
  if (looking_.test_and_set(std::memory_order_acquire)) return;
  decide(read_(), clock_.now());
  looking_.clear(std::memory_order_release);
}

void Overload::decide(const MemoryFigures& m, Instant now) {
  RungThresholds thresholds;
  for (std::size_t i = 0; i < kRungs; ++i) thresholds[i] = thresholds_[i].load(std::memory_order_relaxed);
  const auto at = [&](unsigned share) { return m.limit / 1000 * share; };

  std::uint64_t left = m.limit ? m.limit - std::min(m.used, m.limit) : kUnlimited;
  for (const unsigned t : thresholds)
    if (t && at(t) > m.used) left = std::min(left, at(t) - m.used);
  const auto aim = at(thresholds[1] > Ladder::kMargin ? thresholds[1] - Ladder::kMargin : 0);
  used_.store(m.used, std::memory_order_relaxed);
  limit_.store(m.limit, std::memory_order_relaxed);
  near_.store(m.share() >= kNearShare, std::memory_order_relaxed);
  excess_.store(m.limit && thresholds[1] && m.used > aim ? m.used - aim : 0, std::memory_order_relaxed);
  step_.store(std::max(left / (4 * workers_), kLeastStep), std::memory_order_relaxed);

  const Rung rung = ladder_.step(m.share(), thresholds, now);
  if (rung_.exchange(rung, std::memory_order_relaxed) == rung) return;
  if (rung > highest_.load(std::memory_order_relaxed)) highest_.store(rung, std::memory_order_relaxed);
  if (on_change_) on_change_(rung);
}

}  // namespace sluice::data
