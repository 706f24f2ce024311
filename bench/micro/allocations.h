#pragma once
#include <cstddef>
#include <cstdlib>
#include <new>

// How often memory was asked for: of a program that includes this once, whose operator new it is.
inline std::size_t allocations = 0;

void* operator new(std::size_t size) {
  ++allocations;
  void* const at = std::malloc(size);
  if (at == nullptr) std::abort();
  return at;
}
// NOLINTBEGIN(cppcoreguidelines-no-malloc)
void operator delete(void* at) noexcept {
  std::free(at);
}
void operator delete(void* at, std::size_t) noexcept {
  std::free(at);
}
// NOLINTEND(cppcoreguidelines-no-malloc)
