#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "model/options.h"
#include "model/settings/source_ranges.h"

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

// The two lists of a route, each sorted once for all routes that have it.
class AddressLists {
 public:
  // Null: there are none.
  explicit AddressLists(const model::SourceRanges* ranges);
  bool denies(const std::array<std::uint8_t, 16>& client) const noexcept {
    return denied_->ranges() > 0 && denied_->contains(client);
  }
  bool leaves_out(const std::array<std::uint8_t, 16>& client) const noexcept {
    return allowed_->ranges() > 0 && !allowed_->contains(client);
  }
  // Is the address by itself a reason to let somebody in (satisfy: any)?
  bool admits(const std::array<std::uint8_t, 16>& client) const noexcept {
    return allowed_->ranges() > 0 && allowed_->contains(client) && !denied_->contains(client);
  }

 private:
  const std::shared_ptr<const AddressSet> denied_, allowed_;
};

}  // namespace sluice::data
