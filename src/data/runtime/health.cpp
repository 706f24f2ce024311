#include "data/runtime/health.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace sluice::data {

std::string identity_of(const model::Endpoint& endpoint) {
  return endpoint.address + '|' + std::to_string(endpoint.port) + '|' + endpoint.pod;
}

bool EndpointHealth::failed(const model::Options& options, Instant now, bool crowded) noexcept {
  const std::uint32_t most = options.outlier_consecutive_failures;
  const auto before = until_.load(std::memory_order_relaxed);
  if (most == 0 || now < Instant(Instant::duration(before))) return false;
  if (failures_.fetch_add(1, std::memory_order_relaxed) + 1 < most) return false;
  if (!eject(options, now, before, crowded)) return false;
  failures_.store(most - 1, std::memory_order_relaxed);  // back again, one more failure is enough
  unproven_.store(true, std::memory_order_relaxed);
  return true;
}

bool EndpointHealth::eject(const model::Options& options, Instant now, Instant::rep before, bool crowded) noexcept {
  // Each time that it was out counts until it has been well for as long as the shortest time out.
  std::uint32_t times = times_.load(std::memory_order_relaxed);
  const auto shortest = std::chrono::duration_cast<Instant::duration>(options.outlier_ejection_time);
  if (before != 0 && shortest.count() > 0) {
    const auto well = (now - Instant(Instant::duration(before))) / shortest;
    times = well >= times ? 0 : times - static_cast<std::uint32_t>(well);
  }
  if (!crowded || times == 0) ++times;
  const auto longest = std::chrono::duration_cast<Instant::duration>(options.outlier_max_ejection_time);
  const auto time = std::min<Instant::duration>(shortest * times, std::max(shortest, longest));
  if (!until_.compare_exchange_strong(before, (now + time).time_since_epoch().count(), std::memory_order_relaxed))
    return false;  // by another worker meanwhile
  since_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
  times_.store(times, std::memory_order_relaxed);
  answers_.store(0, std::memory_order_relaxed);
  return true;
}

bool EndpointHealth::lost(const model::Options& options, Instant now, bool crowded) noexcept {
  const std::uint32_t most = options.outlier_consecutive_failures;
  if (most != 0 && !is_out(now)) failures_.store(most - 1, std::memory_order_relaxed);
  return failed(options, now, crowded);
}

void EndpointHealth::succeeded(Instant now) noexcept {
  // An answer to what was asked before it was out proves nothing.
  if ((failures_.load(std::memory_order_relaxed) == 0 && !is_unproven()) || is_ejected(now)) return;
  failures_.store(0, std::memory_order_relaxed);
  unproven_.store(false, std::memory_order_relaxed);
}

// The mean of the first ones, then what moves by a part of each: one slow answer says little.
void EndpointHealth::answered(float seconds, Instant now) noexcept {
  if (is_ejected(now)) return;  // it was asked before
  const std::uint32_t count = std::min(answers_.load(std::memory_order_relaxed) + 1, kEnoughAnswers);
  const float before = count == 1 ? 0 : typical_.load(std::memory_order_relaxed);
  typical_.store(before + (seconds - before) / static_cast<float>(count), std::memory_order_relaxed);
  answers_.store(count, std::memory_order_relaxed);
}

bool EndpointHealth::too_slow(const model::Options& options, Instant now, bool crowded) noexcept {
  const auto before = until_.load(std::memory_order_relaxed);
  return now >= Instant(Instant::duration(before)) && eject(options, now, before, crowded);
}

bool EndpointHealth::call_back(Instant now) noexcept {
  auto before = until_.load(std::memory_order_relaxed);
  if (now >= Instant(Instant::duration(before))) return false;
  if (!until_.compare_exchange_strong(before, now.time_since_epoch().count(), std::memory_order_relaxed)) return false;
  unproven_.store(true, std::memory_order_relaxed);
  return true;
}

void EndpointHealth::unwell(Instant now) noexcept {
  if (unwell_.load(std::memory_order_relaxed) == 0)
    unwell_since_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
  unwell_.fetch_add(1, std::memory_order_relaxed);
}

void EndpointHealth::well() noexcept {
  unwell_.fetch_sub(1, std::memory_order_relaxed);
}

Instant EndpointHealth::out_since(Instant now) const noexcept {
  if (!is_unwell()) return since();
  return is_ejected(now) ? std::min(since(), at(unwell_since_)) : at(unwell_since_);
}

namespace {

std::string key_of(std::string_view ns, std::string_view identity) {
  std::string key;
  key.reserve(ns.size() + 1 + identity.size());
  key.append(ns).append("/").append(identity);
  return key;
}

}  // namespace

std::shared_ptr<EndpointHealth> HealthTable::of(std::string_view ns, std::string_view identity) {
  std::string key = key_of(ns, identity);
  const std::lock_guard lock(mutex_);
  if (known_.size() >= tidy_at_) {
    std::erase_if(known_, [](const auto& entry) { return entry.second.expired(); });
    tidy_at_ = std::max<std::size_t>(64, known_.size() * 2);
  }
  auto& place = known_[std::move(key)];
  auto held = place.lock();
  if (!held) place = held = std::make_shared<EndpointHealth>();
  return held;
}

std::shared_ptr<const EndpointHealth> HealthTable::find(std::string_view ns, std::string_view identity) const {
  const std::string key = key_of(ns, identity);
  const std::lock_guard lock(mutex_);
  const auto at = known_.find(key);
  return at == known_.end() ? nullptr : at->second.lock();
}

HealthTable::Count HealthTable::count(Instant now) const {
  const std::lock_guard lock(mutex_);
  Count out;
  for (const auto& [key, place] : known_)
    if (const auto held = place.lock()) {
      out.ejected += held->is_ejected(now) ? 1 : 0;
      out.unwell += held->is_unwell() ? 1 : 0;
    }
  return out;
}

void keep_left_out(std::vector<OutEndpoint>& out, std::size_t takers, std::uint32_t per_cent) {
  std::ranges::sort(out, {}, [](const OutEndpoint& e) { return std::pair(e.since, e.identity); });
  out.resize(std::min(out.size(), most_left_out(takers, per_cent)));
}

}  // namespace sluice::data
