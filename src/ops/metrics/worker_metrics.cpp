#include <algorithm>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include "ops/metrics/metrics.h"
#include "ops/metrics/series_block.h"

namespace sluice::ops {
namespace {

constexpr std::size_t kFirstSlots = 256;
constexpr int kSweepStep = 8;  // slots looked at with each exchange while a pass is wanted

std::uint64_t key_of(std::uint32_t series, std::uint16_t status, std::uint8_t method) noexcept {
  return std::uint64_t{series} << 32 | std::uint64_t{status} << 16 | std::uint64_t{method} << 1 | 1;  // never 0
}

std::size_t hash(std::uint64_t key) noexcept {
  key *= 0x9e3779b97f4a7c15u;
  return static_cast<std::size_t>(key ^ key >> 32);
}

}  // namespace

std::uint8_t method_index(std::string_view method) noexcept {
  for (std::uint8_t i = 1; i < kMethods.size(); ++i)
    if (kMethods[i] == method) return i;
  return 0;
}

WorkerMetrics::WorkerMetrics(std::size_t max_blocks) : max_blocks_(max_blocks), slots_(kFirstSlots) {}

WorkerMetrics::~WorkerMetrics() {
  for (SeriesBlock* block = head_.load(std::memory_order_acquire); block != nullptr;)
    delete std::exchange(block, block->next);
}

void WorkerMetrics::stage(const ExchangeRecord& record) noexcept {
  const bool sweeping = sweep_wanted_.load(std::memory_order_relaxed) != sweep_done_;
  // A sweep may let go of blocks: none that is staged.
  if (sweeping || staged_count_ == kStaged) flush();
  if (sweeping) sweep();
  const std::uint64_t key = key_of(record.series, record.status, method_index(record.method_label));
  SeriesBlock* block = find_or_make(record, key);
  if (block == nullptr) {
    overflow_.add();
    return;
  }
  block->prefetch();
  Staged& s = staged_[staged_count_++];
  s = {block,
       static_cast<std::uint64_t>(record.wall_ms / 1000),
       record.request_length,
       record.bytes_sent,
       record.request_seconds,
       -1,
       -1,
       -1,
       false};
  const Attempt* const tried = record.last_attempt();
  if (tried == nullptr) return;
  s.attempted = true;
  const Attempt& last = *tried;
  s.response_seconds = last.response_seconds;
  s.header_seconds = last.header_seconds;
  // As in nginx, a reused connection took no time to connect.
  const bool reused = last.connect_seconds < 0 && last.header_seconds >= 0;
  s.connect_seconds = reused ? 0.0F : last.connect_seconds;
}

void WorkerMetrics::flush() noexcept {
  for (std::size_t i = 0; i < staged_count_; ++i) {
    const Staged& s = staged_[i];
    SeriesBlock* block = s.block;
    if (block->state.load(std::memory_order_relaxed) == BlockState::asked)
      block->state.store(BlockState::counting, std::memory_order_relaxed);
    block->last_seen.set(s.seen);
    block->requests.add();
    block->add(TimeOf::request, s.request_seconds);
    block->add(LengthOf::request, s.request_length);
    block->add(LengthOf::response, s.bytes_sent);
    block->add_sent(s.bytes_sent);
    if (!s.attempted) continue;
    block->add(TimeOf::response, s.response_seconds);
    block->add(TimeOf::header, s.header_seconds);
    block->add(TimeOf::connect, s.connect_seconds);
  }
  staged_count_ = 0;
}

bool WorkerMetrics::knows(const ExchangeRecord& record) const noexcept {
  const std::uint64_t key = key_of(record.series, record.status, method_index(record.method_label));
  return slots_[slot_of(key)].block != nullptr;
}

// Where the key is, or where it would go.
std::size_t WorkerMetrics::slot_of(std::uint64_t key) const noexcept {
  const std::size_t mask = slots_.size() - 1;
  std::size_t i = hash(key) & mask;
  while (slots_[i].key != 0 && slots_[i].key != key) i = (i + 1) & mask;
  return i;
}

SeriesBlock* WorkerMetrics::find_or_make(const ExchangeRecord& record, std::uint64_t key) noexcept {
  std::size_t i = slot_of(key);
  if (slots_[i].key == key) return slots_[i].block;

  if (used_ >= max_blocks_) return nullptr;
  if ((used_ + 1) * 2 > slots_.size()) {
    if (!grow()) return nullptr;
    i = slot_of(key);
  }
  SeriesBlock* block = nullptr;
  try {
    auto made = std::make_unique<SeriesBlock>();
    if (record.series == kNoSeries)
      made->labels.host = "_";
    else
      made->labels = {std::string(record.route_host), std::string(record.ns),   std::string(record.ingress),
                      std::string(record.service),    std::string(record.path), std::string(record.canary)};
    block = made.release();
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
  block->key = key;
  block->series = record.series;
  block->status = record.status;
  block->method = method_index(record.method_label);
  block->next = head_.load(std::memory_order_relaxed);
  head_.store(block, std::memory_order_release);
  slots_[i] = {key, block};
  blocks_.set(++used_);
  return block;
}

bool WorkerMetrics::grow() noexcept {
  std::vector<Slot> larger;
  try {
    larger.resize(slots_.size() * 2);
  } catch (const std::bad_alloc&) {
    return false;
  }
  const std::size_t mask = larger.size() - 1;
  for (const Slot& slot : slots_) {
    if (slot.key == 0) continue;
    std::size_t i = hash(slot.key) & mask;
    while (larger[i].key != 0) i = (i + 1) & mask;
    larger[i] = slot;
  }
  slots_.swap(larger);
  sweep_at_ = 0;
  return true;
}

// Lets go of the blocks that a reader asked for, a few slots with each exchange.
void WorkerMetrics::sweep() noexcept {
  for (int step = 0; step < kSweepStep; ++step) {
    if (sweep_at_ >= slots_.size()) {
      sweep_at_ = 0;
      ++sweep_done_;
      return;
    }
    SeriesBlock* block = slots_[sweep_at_].block;
    if (block == nullptr || block->state.load(std::memory_order_relaxed) != BlockState::asked) {
      ++sweep_at_;
      continue;
    }
    erase(sweep_at_);  // another slot may have moved here: it is looked at next
    block->state.store(BlockState::released, std::memory_order_release);
  }
}

// Backward shift: no tombstones, so look-ups stay short for ever.
void WorkerMetrics::erase(std::size_t hole) noexcept {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t i = (hole + 1) & mask; slots_[i].key != 0; i = (i + 1) & mask) {
    const std::size_t home = hash(slots_[i].key) & mask;
    if (((i - home) & mask) < ((i - hole) & mask)) continue;  // would move before its home
    slots_[hole] = slots_[i];
    hole = i;
  }
  slots_[hole] = {};
  blocks_.set(--used_);
}

}  // namespace sluice::ops
