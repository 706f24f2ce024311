#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice::net::h2 {

struct FrameHead {
  std::size_t length = 0;
  std::uint8_t type = 0, flags = 0;
  std::int32_t stream = 0;
};

// Follows the boundaries of frames (RFC 9113 section 4.1), so that each can be judged before nghttp2 acts on it: its
// own callback leaves out those that it ignores.
class FrameScan {
 public:
  enum class Event : std::uint8_t { none, head, end };
  // Consumes bytes up to the next boundary: the end of a frame's head, or of the frame (the preface counts as one).
  Event step(std::string_view& bytes) noexcept {
    while (!bytes.empty()) {
      if (have_ < kHead && left_ == 0) {
        head_[have_++] = static_cast<unsigned char>(bytes.front());
        bytes.remove_prefix(1);
        if (have_ < kHead) continue;
        frame_ = {at(0) << 16 | at(1) << 8 | at(2), head_[3], head_[4], static_cast<std::int32_t>(word(5))};
        left_ = frame_.length;
        return Event::head;
      }
      if (left_ == 0) break;
      const std::size_t n = left_ < bytes.size() ? left_ : bytes.size();
      for (std::size_t i = 0; i < n && have_ < sizeof head_; ++i) head_[have_++] = static_cast<unsigned char>(bytes[i]);
      left_ -= n;
      bytes.remove_prefix(n);
      if (left_ == 0) break;
      return Event::none;
    }
    if (left_ > 0 || inside_head() || have_ == 0) return Event::none;
    have_ = 0;
    return Event::end;
  }
  const FrameHead& frame() const noexcept { return frame_; }
  // A part of a frame's head has come.
  bool inside_head() const noexcept { return have_ > 0 && have_ < kHead; }
  std::string_view head() const noexcept { return {reinterpret_cast<const char*>(head_), kHead}; }
  // At the end of a frame: the first bytes of its payload, at most 24.
  std::basic_string_view<unsigned char> begin() const noexcept {
    return {head_ + kHead, frame_.length < kBegin ? frame_.length : kBegin};
  }
  // Four of them from `at` on without the highest bit, 0 when it has less.
  std::uint32_t word_of_begin(std::size_t i) const noexcept { return i + 4 <= begin().size() ? word(kHead + i) : 0; }

 private:
  static constexpr std::size_t kHead = 9, kPreface = 24, kBegin = 24;
  std::size_t at(std::size_t i) const noexcept { return head_[i]; }
  std::uint32_t word(std::size_t i) const noexcept {
    return static_cast<std::uint32_t>((at(i) & 0x7f) << 24 | at(i + 1) << 16 | at(i + 2) << 8 | at(i + 3));
  }
  std::size_t left_ = kPreface, have_ = kHead;
  FrameHead frame_;
  unsigned char head_[kHead + kBegin]{};
};

}  // namespace sluice::net::h2
