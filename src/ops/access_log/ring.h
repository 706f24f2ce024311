#pragma once
#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>

#include "sluice/record.h"

namespace sluice::ops {

// Bytes from one thread to another: whole lines in, any part out. Positions only grow; the place is position mod size.
class LogRing {
 public:
  explicit LogRing(std::size_t bytes)
      : size_(std::bit_ceil(std::max<std::size_t>(bytes, 64))), data_(std::make_unique_for_overwrite<char[]>(size_)) {}

  // The worker. False when it does not fit.
  bool push(std::string_view line) noexcept {
    const std::size_t head = head_.load(std::memory_order_relaxed);
    if (line.size() > size_ - (head - tail_.load(std::memory_order_acquire))) return false;
    const std::size_t at = head & (size_ - 1), first = std::min(line.size(), size_ - at);
    std::memcpy(data_.get() + at, line.data(), first);
    std::memcpy(data_.get(), line.data() + first, line.size() - first);
    head_.store(head + line.size(), std::memory_order_release);
    return true;
  }

  // The writer.
  struct Parts {
    std::string_view first, second;
    std::size_t size() const noexcept { return first.size() + second.size(); }
  };
  Parts readable(std::size_t limit) const noexcept {
    const std::size_t tail = tail_.load(std::memory_order_relaxed);
    const std::size_t n = std::min(head_.load(std::memory_order_acquire) - tail, limit);
    const std::size_t at = tail & (size_ - 1), first = std::min(n, size_ - at);
    return {{data_.get() + at, first}, {data_.get(), n - first}};
  }
  void consume(std::size_t n) noexcept {
    tail_.store(tail_.load(std::memory_order_relaxed) + n, std::memory_order_release);
  }

  // Any thread.
  std::size_t head() const noexcept { return head_.load(std::memory_order_acquire); }
  std::size_t tail() const noexcept { return tail_.load(std::memory_order_acquire); }
  bool empty() const noexcept { return tail() == head(); }

  Counter lines, lost;  // written by the worker

 private:
  const std::size_t size_;
  const std::unique_ptr<char[]> data_;
  alignas(64) std::atomic<std::size_t> head_{0};
  alignas(64) std::atomic<std::size_t> tail_{0};
};

}  // namespace sluice::ops
