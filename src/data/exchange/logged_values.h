#pragma once
#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/record.h"

namespace sluice::data {

// What the log wants of an exchange beside its record (WantedValues): the values that were noted, one for each that is
// wanted. Used again: after the first times it needs no memory.
class LoggedValues {
 public:
  // All of them are absent.
  void begin(const WantedValues& wanted) {
    text_.clear();
    places_.assign(wanted.of.size(), {});
  }
  // Sets the value of that number to what `append` puts behind the text that it is given, and returns true: an empty
  // one may be there.
  template <class Append>
  void set(std::size_t number, Append&& append) {
    const std::size_t begin = text_.size();
    const bool given = append(text_);
    text_.resize(std::min({text_.size(), begin + WantedValues::kMostOfOne, WantedValues::kMostOfAll}));
    places_[number] = {begin, text_.size() - begin, given};
  }
  // Valid until the next call of any of these.
  std::span<const std::string_view> values() {
    values_.clear();
    for (const auto& place : places_)
      values_.push_back(place.given ? std::string_view(text_).substr(place.begin, place.size) : std::string_view());
    return values_;
  }
  // Large ones are not remembered for ever.
  void trim() noexcept {
    if (text_.capacity() > 2 * WantedValues::kMostOfOne) text_ = std::string();
  }

 private:
  struct Place {
    std::size_t begin = 0, size = 0;
    bool given = false;
  };
  std::string text_;
  std::vector<Place> places_;
  std::vector<std::string_view> values_;
};

}  // namespace sluice::data
