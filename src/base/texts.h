#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace sluice {

// Strings that are used again and again: after the first times they need no memory of their own. One that was given
// stays where it is until clear().
class Texts {
 public:
  // An empty one.
  std::string& next() {
    if (used_ == all_.size()) all_.push_back(std::make_unique<std::string>());
    auto& text = *all_[used_++];
    text.clear();
    return text;
  }
  void clear() noexcept { used_ = 0; }
  // Large ones are not remembered for ever.
  void trim() noexcept {
    used_ = 0;
    if (all_.size() > kKept) all_.resize(kKept);
    for (auto& text : all_)
      if (text->capacity() > kKeptBytes) *text = std::string();
  }

 private:
  static constexpr std::size_t kKept = 16, kKeptBytes = 1024;
  std::vector<std::unique_ptr<std::string>> all_;
  std::size_t used_ = 0;
};

}  // namespace sluice
