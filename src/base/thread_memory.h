#pragma once
#include <cstdint>

// How much of the allocator's memory the calling thread holds: for what a library takes that has no limit of its own.
namespace sluice {

// Use on the thread that made it.
class ThreadMemory {
 public:
  ThreadMemory() noexcept;
  // Bytes that the thread took and did not give back; what is compared are two of these. Always 0 where the allocator
  // does not count (that of a sanitizer, and of unit tests).
  std::int64_t held() const noexcept { return taken_ == nullptr ? 0 : static_cast<std::int64_t>(*taken_ - *given_); }
  bool counts() const noexcept { return taken_ != nullptr; }

 private:
  const std::uint64_t* taken_ = nullptr;
  const std::uint64_t* given_ = nullptr;
};

}  // namespace sluice
