#pragma once
#include <fmt/format.h>

#include <atomic>
#include <compare>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <new>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>

namespace sluice {

// Text that never changes and is shared by those who copy it, in the size of one pointer; empty costs nothing more.
// For values that exist ten thousand times, most of them alike. Copies may be read and dropped by any thread.
class Text {
 public:
  Text() noexcept = default;
  template <std::convertible_to<std::string_view> Other>
    requires(!std::same_as<Other, Text>)
  Text(const Other& text) : rep_(make(std::string_view(text))) {}
  Text(const Text& o) noexcept : rep_(o.rep_) {
    if (rep_ != nullptr) rep_->users.fetch_add(1, std::memory_order_relaxed);
  }
  Text(Text&& o) noexcept : rep_(std::exchange(o.rep_, nullptr)) {}
  Text& operator=(Text o) noexcept {
    std::swap(rep_, o.rep_);
    return *this;
  }
  ~Text() {
    if (rep_ != nullptr && rep_->users.fetch_sub(1, std::memory_order_acq_rel) == 1) ::operator delete(rep_);
  }

  // Valid as long as any copy lives.
  std::string_view view() const noexcept {
    return rep_ == nullptr ? std::string_view() : std::string_view(rep_->bytes(), rep_->size);
  }
  operator std::string_view() const noexcept { return view(); }
  std::string str() const { return std::string(view()); }
  bool empty() const noexcept { return rep_ == nullptr; }
  std::size_t size() const noexcept { return view().size(); }

  friend bool operator==(const Text& a, const Text& b) noexcept { return a.rep_ == b.rep_ || a.view() == b.view(); }
  template <std::convertible_to<std::string_view> Other>
    requires(!std::same_as<Other, Text>)
  friend bool operator==(const Text& a, const Other& b) noexcept {
    return a.view() == std::string_view(b);
  }
  friend auto operator<=>(const Text& a, const Text& b) noexcept { return a.view() <=> b.view(); }
  friend std::string operator+(std::string a, const Text& b) { return a.append(b.view()); }
  friend std::string operator+(const Text& a, std::string_view b) { return a.str().append(b); }
  friend std::ostream& operator<<(std::ostream& out, const Text& text) { return out << text.view(); }

 private:
  struct Rep {
    std::atomic<std::uint32_t> users;
    std::uint32_t size;
    char* bytes() noexcept { return reinterpret_cast<char*>(this + 1); }
  };
  static Rep* make(std::string_view text) {
    if (text.empty()) return nullptr;
    Rep* rep = new (::operator new(sizeof(Rep) + text.size())) Rep{1, static_cast<std::uint32_t>(text.size())};
    std::memcpy(rep->bytes(), text.data(), text.size());
    return rep;
  }
  Rep* rep_ = nullptr;
};

// Orders them, and finds them by what is no Text, without a copy.
struct TextLess {
  using is_transparent = void;
  bool operator()(std::string_view a, std::string_view b) const noexcept { return a < b; }
};

}  // namespace sluice

template <>
struct fmt::formatter<sluice::Text> : fmt::formatter<fmt::string_view> {
  auto format(const sluice::Text& text, fmt::format_context& context) const {
    const auto v = text.view();
    return fmt::formatter<fmt::string_view>::format({v.data(), v.size()}, context);
  }
};
