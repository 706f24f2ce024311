#include "data/filter/address_set.h"

#include <algorithm>
#include <cstring>

#include "data/filter/made_once.h"

namespace sluice::data {

namespace {

bool is_v4(const std::uint8_t* address) noexcept {
  static constexpr std::uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return std::memcmp(address, mapped, sizeof mapped) == 0;
}

}  // namespace

AddressSet::AddressSet(std::span<const model::Cidr> ranges) {
  for (const auto& range : ranges) {
    Ip first, last;
    for (std::size_t i = 0; i < first.size(); ++i) {
      // The bits of this byte that tell addresses of the range apart.
      const auto kept = std::clamp(static_cast<int>(range.bits) - static_cast<int>(8 * i), 0, 8);
      const auto open = static_cast<std::uint8_t>(0xff >> kept);
      first[i] = static_cast<std::uint8_t>(range.bytes[i] & ~open);
      last[i] = static_cast<std::uint8_t>(range.bytes[i] | open);
    }
    (range.bits >= 96 && is_v4(range.bytes) ? v4_ : v6_).emplace_back(first, last);
  }
  settle(v4_);
  settle(v6_);
}

void AddressSet::settle(Ranges& ranges) {
  std::sort(ranges.begin(), ranges.end());
  Ranges out;
  for (const auto& range : ranges) {
    if (!out.empty() && range.first <= out.back().second)
      out.back().second = std::max(out.back().second, range.second);
    else
      out.push_back(range);
  }
  ranges = std::move(out);
}

bool AddressSet::contains(const std::array<std::uint8_t, 16>& address) const noexcept {
  const Ranges& ranges = is_v4(address.data()) ? v4_ : v6_;
  const auto behind = std::upper_bound(ranges.begin(), ranges.end(), address,
                                       [](const Ip& value, const auto& range) { return value < range.first; });
  return behind != ranges.begin() && address <= std::prev(behind)->second;
}

AddressLists::AddressLists(const model::SourceRanges* ranges)
    : denied_(made_once<AddressSet>(ranges ? ranges->denied : model::Common<std::vector<model::Cidr>>())),
      allowed_(made_once<AddressSet>(ranges ? ranges->allowed : model::Common<std::vector<model::Cidr>>())) {}

}  // namespace sluice::data
