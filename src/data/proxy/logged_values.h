#pragma once
#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "net/h2/session.h"
#include "sluice/record.h"

// What the log wants of an exchange beside its record (WantedValues): noted when it is there, given when all is over.
namespace sluice::data {

struct Exchange;

// The values that were noted, one for each that is wanted. Used again: after the first times it needs no memory.
class LoggedValues {
 public:
  // All of them are absent.
  void begin(const WantedValues& wanted) {
    text_.clear();
    places_.assign(wanted.of.size(), {});
  }
  // Sets the value of that number to what `append` puts behind the text that it is given.
  template <class Append>
  void set(std::size_t number, Append&& append) {
    const std::size_t begin = text_.size();
    append(text_);
    text_.resize(std::min({text_.size(), begin + WantedValues::kMostOfOne, WantedValues::kMostOfAll}));
    places_[number] = {begin, text_.size() - begin};
  }
  // Valid until the next call of any of these.
  std::span<const std::string_view> values() {
    values_.clear();
    for (const auto& place : places_) values_.push_back(std::string_view(text_).substr(place.begin, place.size));
    return values_;
  }
  // Large ones are not remembered for ever.
  void trim() noexcept {
    if (text_.capacity() > 2 * WantedValues::kMostOfOne) text_ = std::string();
  }

 private:
  struct Place {
    std::size_t begin = 0, size = 0;
  };
  std::string text_;
  std::vector<Place> places_;
  std::vector<std::string_view> values_;
};

// The exchange begins: it holds on to what is wanted now, and has told nothing of it.
void hold_wanted(Exchange& ex);

// These may be called of exchanges alone that hold on to something.
// An attempt failed that another one follows: what its head said is forgotten.
void forget_pod_fields(Exchange& ex);
// The final head of a pod is in ex.memory.response, as it came.
void note_pod_fields(Exchange& ex);
// The head that the client gets: lines of HTTP/1 with the status line, or the fields of HTTP/2.
void note_sent_fields(Exchange& ex, std::string_view head);
void note_sent_fields(Exchange& ex, std::span<const net::h2::Field> fields);

// The exchange is over: the values of the request are noted, and the record gets all.
void give_values(Exchange& ex);
// The same values, in memory of the exchange's own.
void keep_values(Exchange& ex);

}  // namespace sluice::data
