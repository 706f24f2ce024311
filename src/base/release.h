#pragma once

namespace sluice {

// Empties a container and gives its memory back. `c = {}` does not for a vector or a string: that assigns an empty
// list, which keeps the capacity.
template <class Container>
void release(Container& c) noexcept {
  Container().swap(c);
}

}  // namespace sluice
