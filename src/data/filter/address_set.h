#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "model/options.h"

namespace sluice::data {

// Addresses in ranges, sorted once: a question costs a binary search and no memory. As model::SourceRanges means them:
// a range of IPv6 holds no address of IPv4.
class AddressSet {
 public:
  explicit AddressSet(std::span<const model::Cidr> ranges);
  // `address`: IPv4-mapped.
  bool contains(const std::array<std::uint8_t, 16>& address) const noexcept;
  std::size_t ranges() const noexcept { return v4_.size() + v6_.size(); }

 private:
  using Ip = std::array<std::uint8_t, 16>;
  using Ranges = std::vector<std::pair<Ip, Ip>>;  // first and last address; sorted, none within another
  static void settle(Ranges& ranges);
  Ranges v4_, v6_;
};

}  // namespace sluice::data
