#include "data/runtime/overload.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace sluice::data {

namespace {

// How long a rung holds on after the figure has fallen. Descriptors are counted, and each that comes back is one that
// somebody waits for. Memory that a reset gave back is there: who is served again before it is short once more is one
// whom the flood did not cost a request.
constexpr Duration hold(Source s, Rung r) noexcept {
  if (s == Source::descriptors && r == Rung::stop) return Duration{};
  if (s == Source::memory && r >= Rung::low) return Duration{};
  return r >= Rung::low ? Duration(std::chrono::milliseconds(200)) : Duration(std::chrono::seconds(5));
}

constexpr std::size_t at(Rung r) noexcept {
  return static_cast<std::size_t>(r) - 1;
}

constexpr unsigned kMargin = 30;  // thousandths
// With so much of it a rung holds for a worker that is behind, in thousandths of what is too far: what helps is the
// dearer the later it comes, and how far one is behind goes up and down within moments.
constexpr RungThresholds kOfLag{1000, 0, 2000, 4000, 8000};

// Of descriptors so many at most, or an eighth, are for connections to pods: rungs do not count on them, but for the
// one that refuses requests, which these connections are for.
constexpr std::uint64_t kForPods = 64;
constexpr std::uint64_t for_pods(std::uint64_t limit) noexcept {
  return std::min(limit / 8, kForPods);
}

constexpr unsigned kNearShare = 600;              // from here on it is looked at often
constexpr std::uint64_t kLeastStep = 128 * 1024;  // a look costs what accepting some connections does
constexpr std::uint64_t kUnlimited = std::uint64_t{1} << 40;
constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();

// So many of something are a share of its limit, or more.
constexpr std::uint64_t many(std::uint64_t limit, unsigned share) noexcept {
  return (limit * share + 999) / 1000;
}

// The next of the thresholds that is not reached yet.
std::uint64_t next(const Usage& u, const RungThresholds& thresholds) noexcept {
  std::uint64_t out = kNever;
  for (const unsigned t : thresholds)
    if (u.limit && t && many(u.limit, t) > u.used) out = std::min(out, many(u.limit, t));
  return out;
}

// How many more there are than a rung's threshold less the margin.
std::uint64_t beyond(const Usage& u, const Steps& steps, Rung r) noexcept {
  const std::uint64_t aim = u.limit / 1000 * steps.down[at(r)] + u.limit % 1000 * steps.down[at(r)] / 1000;
  return u.limit && steps.up[at(r)] && u.used > aim ? u.used - aim : 0;
}

}  // namespace

Steps steps_of(Source source, const RungThresholds& options) noexcept {
  Steps out;
  out.up = options;
  switch (source) {
    case Source::memory:
      break;
    case Source::descriptors:
      // Nobody new comes before those are refused who are there: they need connections to pods.
      if (options[at(Rung::refuse)] && options[at(Rung::stop)])
        std::swap(out.up[at(Rung::refuse)], out.up[at(Rung::stop)]);
      break;
    case Source::connections:
      // A request on one that is there takes none; max-connections itself is what turns new ones away.
      out.up[at(Rung::refuse)] = out.up[at(Rung::stop)] = 0;
      break;
    case Source::lag:
      for (std::size_t i = 0; i < kRungs; ++i) out.up[i] = options[i] ? kOfLag[i] : 0;
      break;
  }
  for (std::size_t i = 0; i < kRungs; ++i) {
    const unsigned up = out.up[i];
    out.down[i] = source == Source::lag ? up / 4 * 3 : up > kMargin ? up - kMargin : 0;
  }
  return out;
}

Held Ladder::step(Source source, unsigned share, const Steps& steps, Instant now) noexcept {
  Held out;
  for (std::size_t i = 0; i < kRungs; ++i) {
    const auto rung = static_cast<Rung>(i + 1);
    const bool wanted = steps.up[i] != 0 && share >= (holds_[i] ? steps.down[i] : steps.up[i]);
    if (wanted) called_for_[i] = now;
    holds_[i] = wanted || (holds_[i] && steps.up[i] != 0 && now - called_for_[i] < hold(source, rung));
    if (holds_[i]) out.set(source, rung);
  }
  return out;
}

Overload::Overload(const Clock& clock, std::function<MemoryFigures()> read, unsigned workers)
    : clock_(clock),
      read_(std::move(read)),
      workers_(std::max(workers, 1U)),
      step_(kUnlimited),
      look_at_clients_(kNever),
      look_at_descriptor_(kNever),
      lags_(workers_) {
  set_thresholds({850, 900, 930, 950, 980});
}

void Overload::set_thresholds(const RungThresholds& thresholds, Duration lag_limit) noexcept {
  for (std::size_t i = 0; i < kRungs; ++i) thresholds_[i].store(thresholds[i], std::memory_order_relaxed);
  lag_limit_.store(lag_limit.count(), std::memory_order_relaxed);
}

RungThresholds Overload::thresholds() const noexcept {
  RungThresholds out;
  for (std::size_t i = 0; i < kRungs; ++i) out[i] = thresholds_[i].load(std::memory_order_relaxed);
  return out;
}

bool Overload::look() noexcept {
  if (looking_.test_and_set(std::memory_order_acquire)) return false;
  decide(read_(), count_ ? count_() : Counts{}, clock_.now());
  looking_.clear(std::memory_order_release);
  return true;
}

void Overload::note(Source source, Rung rung) noexcept {
  auto& highest = highest_[static_cast<std::size_t>(source)];
  Rung before = highest.load(std::memory_order_relaxed);
  while (rung > before && !highest.compare_exchange_weak(before, rung, std::memory_order_relaxed)) {
  }
}

void Overload::decide(const MemoryFigures& m, const Counts& counts, Instant now) {
  const RungThresholds options = thresholds();
  Usage descriptors = counts.descriptors;
  descriptors.limit -= for_pods(descriptors.limit);
  const std::array<Usage, 3> figures{m, descriptors, counts.connections};
  Held held;
  bool near = false;
  std::uint64_t clients = 0;  // too many of them
  for (std::size_t i = 0; i < figures.size(); ++i) {
    const auto source = static_cast<Source>(i);
    Steps steps = steps_of(source, options);
    if (source == Source::descriptors && descriptors.limit != 0)
      for (RungThresholds* t : {&steps.up, &steps.down}) {
        unsigned& of_all = (*t)[at(Rung::refuse)];
        of_all = static_cast<unsigned>((of_all * counts.descriptors.limit + descriptors.limit - 1) / descriptors.limit);
      }
    const Held of_it = ladders_[i].step(source, figures[i].share(), steps, now);
    held = held | of_it;
    near = near || figures[i].share() >= kNearShare;
    if (source != Source::memory && of_it.any(Rung::shed))
      clients = std::max(clients, beyond(figures[i], steps, Rung::shed));
    note(source, of_it.highest());
  }

  const auto share_of_memory = [&](unsigned share) { return m.limit / 1000 * share; };
  std::uint64_t left = m.limit ? m.limit - std::min(m.used, m.limit) : kUnlimited;
  for (const unsigned t : options)
    if (t && share_of_memory(t) > m.used) left = std::min(left, share_of_memory(t) - m.used);
  const Steps of_memory = steps_of(Source::memory, options);
  const auto aim = share_of_memory(of_memory.down[at(Rung::shed)]);
  memory_.store(m);
  descriptors_.store(descriptors);
  connections_.store(counts.connections);
  near_.store(near, std::memory_order_relaxed);
  excess_.store(m.limit && options[at(Rung::shed)] && m.used > aim ? m.used - aim : 0, std::memory_order_relaxed);
  excess_clients_.store(clients, std::memory_order_relaxed);
  step_.store(std::max(left / (4 * workers_), kLeastStep), std::memory_order_relaxed);

  std::uint64_t look_at = next(counts.connections, steps_of(Source::connections, options).up);
  const std::uint64_t descriptor = next(descriptors, steps_of(Source::descriptors, options).up);
  // A client takes one, and its requests may take another.
  if (descriptor != kNever)
    look_at = std::min(look_at, counts.connections.used + (descriptor - descriptors.used + 1) / 2);
  look_at_clients_.store(look_at, std::memory_order_relaxed);
  // The kernel gives the lowest number that is free: as many are open as the number says, or more.
  look_at_descriptor_.store(descriptor, std::memory_order_relaxed);

  if (Held(held_.exchange(held.bits(), std::memory_order_relaxed)) == held) return;
  if (on_change_) on_change_(held);
}

void Overload::report_lag(unsigned worker, Duration lag, Held held) noexcept {
  if (worker >= lags_.size()) return;
  OfWorker& mine = lags_[worker];
  mine.lag.store(lag.count(), std::memory_order_relaxed);
  if (mine.held.load(std::memory_order_relaxed) == held.bits()) return;
  mine.held.store(held.bits(), std::memory_order_relaxed);
  note(Source::lag, held.highest());
}

Overload::Lag Overload::worst_lag() const noexcept {
  Lag out;
  for (std::size_t i = 0; i < lags_.size(); ++i)
    if (const Duration lag(lags_[i].lag.load(std::memory_order_relaxed)); lag > out.lag)
      out = {static_cast<unsigned>(i), lag};
  return out;
}

Held Overload::held_by_anybody() const noexcept {
  Held out = held();
  for (const auto& w : lags_) out = out | Held(w.held.load(std::memory_order_relaxed));
  return out;
}

Rung Overload::take_highest(Source source) noexcept {
  return highest_[static_cast<std::size_t>(source)].exchange(held_by_anybody().of(source).highest(),
                                                             std::memory_order_relaxed);
}

unsigned Overload::pressure(Source source) const noexcept {
  switch (source) {
    case Source::memory:
      return memory_.load().share();
    case Source::descriptors:
      return descriptors_.load().share();
    case Source::connections:
      return connections_.load().share();
    case Source::lag:
      break;
  }
  const Duration limit = lag_limit();
  return limit.count() > 0 ? static_cast<unsigned>(worst_lag().lag * 1000 / limit) : 0;
}

}  // namespace sluice::data
