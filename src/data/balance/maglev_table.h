#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::data {

// The table of Maglev (Eisenbud et al., NSDI 2016): each owner has an order of its own in which it wants the slots, and
// owners take them in turns, so that shares differ by a slot. Another set of owners moves the keys of those that are
// gone, and few others. Immutable; made on the thread of the Compiler and read by all workers.
class MaglevTable {
 public:
  static constexpr std::uint32_t kGone = 0xffffffff;
  // Slots, both prime. Many Services have few endpoints, and 128 KiB each would be too much for them. Where a Service
  // grows from the one size to the other its keys move.
  static constexpr std::size_t kFew = 64, kSlotsOfFew = 8'191, kSlots = 65'537;
  // Slots that one search looks at. Who has not found anybody then has to look elsewhere.
  static constexpr std::size_t kMostAsked = 256;

  MaglevTable() = default;
  // `names`: of the owners 0, 1, …; of more than 65,535 the others own nothing. What owner a slot has is a matter of
  // the names alone, not of their order. Costs about as many steps as there are slots, times their logarithm.
  explicit MaglevTable(std::span<const std::string> names);
  // `before` with other numbers for the same owners.
  MaglevTable(const MaglevTable& before, std::span<const std::uint32_t> now_at);

  // Calls `takes(owner)` for the owners from the key's slot on until it says yes, and returns that owner; kGone when
  // kMostAsked of them did not. An owner may be asked several times.
  template <class Takes>
  std::uint32_t find(std::string_view key, Takes&& takes) const noexcept {
    if (slots_.empty()) return kGone;
    std::size_t at = slot_of(key);
    for (std::size_t asked = 0; asked < kMostAsked; ++asked) {
      if (takes(std::uint32_t{slots_[at]})) return slots_[at];
      if (++at == slots_.size()) at = 0;
    }
    return kGone;
  }
  std::span<const std::uint16_t> slots() const noexcept { return slots_; }

 private:
  std::size_t slot_of(std::string_view key) const noexcept;

  std::vector<std::uint16_t> slots_;  // their owners
};

}  // namespace sluice::data
