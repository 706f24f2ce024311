#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

namespace sluice::net::h2 {

// The ids of a peer's streams, which rise and are odd (RFC 9113 section 5.1.1): which one opens a stream, which ones it
// left out, and which ones we closed while it may not have known.
class StreamIds {
 public:
  std::int32_t last() const noexcept { return last_; }
  // True when a stream begins with it.
  bool opens(std::int32_t id) noexcept {
    if (id <= last_ || id % 2 == 0) return false;
    if (id > last_ + 2 || (last_ == 0 && id > 1)) {
      if (gaps_.size() == kMostGaps) gaps_.erase(gaps_.begin());
      gaps_.emplace_back(last_ + 1, id - 1);
    }
    last_ = id;
    return true;
  }
  // Left out, and closed by that for ever, as far as the last gaps tell.
  bool left_out(std::int32_t id) const noexcept {
    return std::any_of(gaps_.begin(), gaps_.end(), [&](const auto& g) { return id >= g.first && id <= g.second; });
  }
  void closed_by_us(std::int32_t id) noexcept { ours_[at_++ % std::size(ours_)] = id; }
  // Of the last 64 of them.
  bool was_closed_by_us(std::int32_t id) const noexcept {
    return std::find(std::begin(ours_), std::end(ours_), id) != std::end(ours_);
  }

 private:
  static constexpr std::size_t kMostGaps = 16;
  std::int32_t last_ = 0;
  std::vector<std::pair<std::int32_t, std::int32_t>> gaps_;
  std::int32_t ours_[64]{};
  std::uint32_t at_ = 0;
};

}  // namespace sluice::net::h2
