#pragma once
#include <compare>
#include <cstdint>

namespace sluice::model {

// An address range. `bytes` is IPv4-mapped into 16 bytes; bits counts from 0 to 128 within that form.
struct Cidr {
  std::uint8_t bytes[16]{};
  std::uint8_t bits = 0;
  auto operator<=>(const Cidr&) const = default;
};

}  // namespace sluice::model
