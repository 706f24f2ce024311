#pragma once
#include <string>
#include <string_view>
#include <utility>

namespace sluice::model {

// Text that is compared and used, but never shown: no printer takes it, and a fingerprint, which is published, leaves
// it out.
struct SecretText {
  std::string text;
  SecretText() = default;
  SecretText(std::string t) : text(std::move(t)) {}
  operator const std::string&() const noexcept { return text; }
  bool empty() const noexcept { return text.empty(); }
  void clear() noexcept { text.clear(); }
  bool operator==(const SecretText&) const = default;
};

}  // namespace sluice::model
