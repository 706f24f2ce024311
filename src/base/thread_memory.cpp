#include "base/thread_memory.h"

#include <cstddef>

// jemalloc's (its manual, "thread.allocatedp"): there in the process that links it, null in others.
extern "C" __attribute__((weak)) int mallctl(const char* name, void* old, std::size_t* size, void* fresh,
                                             std::size_t fresh_size) noexcept;

namespace sluice {

namespace {

const std::uint64_t* counter(const char* name) noexcept {
  std::uint64_t* out = nullptr;
  std::size_t size = sizeof out;
  return mallctl != nullptr && mallctl(name, static_cast<void*>(&out), &size, nullptr, 0) == 0 ? out : nullptr;
}

}  // namespace

ThreadMemory::ThreadMemory() noexcept {
  const auto* taken = counter("thread.allocatedp");
  const auto* given = counter("thread.deallocatedp");
  if (taken == nullptr || given == nullptr) return;
  taken_ = taken;
  given_ = given;
}

}  // namespace sluice
