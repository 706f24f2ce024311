#pragma once
#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/regex.h"
#include "base/strings.h"

namespace sluice {

// The keys of a map of nginx: whole texts, whatever their case, then regular expressions in their order. Immutable once
// it is in use; any number of threads.
class TextMap {
 public:
  TextMap() = default;
  TextMap(std::vector<std::string> texts, std::vector<std::shared_ptr<const Regex>> patterns)
      : texts_(std::move(texts)), patterns_(std::move(patterns)) {
    std::ranges::sort(texts_, less_in_any_case);
  }

  bool empty() const noexcept { return texts_.empty() && patterns_.empty(); }
  // Is `text` one of them? gave_up: nobody knows, as an expression takes too many steps.
  Regex::Outcome match(std::string_view text) const noexcept {
    if (std::ranges::binary_search(texts_, text, less_in_any_case)) return Regex::Outcome::yes;
    for (const auto& pattern : patterns_)
      if (const auto outcome = pattern->match(text); outcome != Regex::Outcome::no) return outcome;
    return Regex::Outcome::no;
  }

 private:
  static bool less_in_any_case(std::string_view a, std::string_view b) noexcept {
    return std::ranges::lexicographical_compare(
        a, b, {}, [](char c) { return lower(c); }, [](char c) { return lower(c); });
  }

  std::vector<std::string> texts_;  // sorted
  std::vector<std::shared_ptr<const Regex>> patterns_;
};

}  // namespace sluice
