#include "data/balance/maglev_table.h"

#include <algorithm>
#include <numeric>

#include "data/balance/draw.h"
#include "data/balance/placement.h"

namespace sluice::data {

namespace {

// All bits of a text's CRC in all bits of a number. Who chooses names or keys can make two of them meet: the owners
// share an order of slots then, and the keys a slot, which both are allowed to happen by chance.
std::uint64_t spread(std::string_view text) noexcept {
  return Chance(Ring::hash(text)).next();
}

}  // namespace

MaglevTable::MaglevTable(std::span<const std::string> names) {
  constexpr std::uint16_t kFree = 0xffff;
  names = names.first(std::min<std::size_t>(names.size(), kFree));
  if (names.empty()) return;
  const auto size = static_cast<std::uint32_t>(names.size() <= kFew ? kSlotsOfFew : kSlots);
  std::vector<std::uint16_t> turns(names.size());
  std::iota(turns.begin(), turns.end(), std::uint16_t{0});
  std::ranges::sort(turns, {}, [&](std::uint16_t owner) -> const std::string& { return names[owner]; });
  // The next slot that an owner wants, and how far the one after it is: the size is prime, so that it comes to all.
  struct Wish {
    std::uint32_t slot, step;
  };
  std::vector<Wish> wishes;
  wishes.reserve(names.size());
  for (const auto owner : turns) {
    const std::uint64_t x = spread(names[owner]);
    wishes.push_back(
        {static_cast<std::uint32_t>((x >> 32) % size), static_cast<std::uint32_t>((x & 0xffffffff) % (size - 1) + 1)});
  }
  slots_.assign(size, kFree);
  for (std::uint32_t filled = 0;;) {
    for (std::size_t turn = 0; turn < turns.size(); ++turn) {
      auto& [slot, step] = wishes[turn];
      while (slots_[slot] != kFree) slot = slot + step < size ? slot + step : slot + step - size;
      slots_[slot] = turns[turn];
      if (++filled == size) return;
    }
  }
}

MaglevTable::MaglevTable(const MaglevTable& before, std::span<const std::uint32_t> now_at) : slots_(before.slots_) {
  for (auto& owner : slots_) owner = static_cast<std::uint16_t>(now_at[owner]);
}

std::size_t MaglevTable::slot_of(std::string_view key) const noexcept {
  return static_cast<std::size_t>(((spread(key) >> 32) * slots_.size()) >> 32);
}

}  // namespace sluice::data
