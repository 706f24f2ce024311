#pragma once
#include <cstddef>

// Allocations that fail, for tests: of threads whose work can be dispensed with (base/reserve.h) and of no others.
// Defined in starve_test.cpp, which replaces operator new for this binary.
namespace sluice::control::testing {

// The n-th such allocation from now on throws, once; 0: none does.
void starve_at(std::size_t n) noexcept;
// Did it?
bool starved() noexcept;

}  // namespace sluice::control::testing
