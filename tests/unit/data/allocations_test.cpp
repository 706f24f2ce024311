#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <new>

#include "allocations.h"

namespace {
thread_local std::size_t count = 0, fails_in = 0;

void* take(std::size_t size) {
  ++count;
  if (fails_in > 0 && --fails_in == 0) throw std::bad_alloc();
  if (void* memory = std::malloc(size != 0 ? size : 1)) return memory;
  throw std::bad_alloc();
}
}  // namespace

void* operator new(std::size_t size) {
  return take(size);
}
void* operator new[](std::size_t size) {
  return take(size);
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  ++count;
  return std::malloc(size != 0 ? size : 1);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  ++count;
  return std::malloc(size != 0 ? size : 1);
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete[](void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  std::free(memory);
}

namespace sluice::test {
std::size_t allocations() noexcept {
  return count;
}
void fail_at(std::size_t n) noexcept {
  fails_in = n;
}
}  // namespace sluice::test

TEST(Allocations, AreCounted) {
  const auto before = sluice::test::allocations();
  auto kept = std::make_unique<std::string>(100, 'x');
  EXPECT_EQ(sluice::test::allocations(), before + 2);
}
