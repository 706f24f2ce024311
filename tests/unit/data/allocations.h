#pragma once
#include <cstddef>

// Counts what the calling thread allocates; defined in allocations_test.cpp, which replaces operator new for this
// binary.
namespace sluice::test {
std::size_t allocations() noexcept;
// The n-th allocation of the calling thread from now on throws; 0: none does.
void fail_at(std::size_t n) noexcept;
}  // namespace sluice::test
