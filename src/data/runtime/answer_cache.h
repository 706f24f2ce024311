#pragma once
#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace sluice::data {

// Answers of external authentication that are kept for a while (auth-cache-key). One worker's; bounded in number and in
// bytes: what was not asked for longest goes first.
class AnswerCache {
 public:
  static constexpr std::size_t kMostAnswers = 10'000, kMostBytes = 4 * 1024 * 1024;

  struct Answer {
    std::uint16_t status = 0;
    std::vector<std::pair<std::string, std::string>> fields;
  };
  // Null: there is none, or its time is over. Until the next call.
  const Answer* find(std::string_view key, Instant now);
  // In place of one that is there. Not kept where it alone is too large.
  void keep(std::string key, Answer answer, Instant until);
  void clear() noexcept;
  std::size_t bytes() const noexcept { return bytes_; }
  std::size_t size() const noexcept { return entries_.size(); }

 private:
  struct Entry {
    std::string key;
    Answer answer;
    Instant until;
    std::size_t bytes;
  };
  using Entries = std::list<Entry>;
  void remove(Entries::iterator at) noexcept;

  Entries entries_;                                                 // what was asked for last comes first
  std::unordered_map<std::string_view, Entries::iterator> by_key_;  // views of the entries' keys
  std::size_t bytes_ = 0;
};

}  // namespace sluice::data
