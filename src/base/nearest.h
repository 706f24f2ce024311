#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"

// For messages: the word that was meant.
namespace sluice {

// How many letters are to be inserted, deleted, replaced or swapped with their neighbour to make `b` of `a`.
inline std::size_t edits(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), now(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    now[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      now[j] = std::min({last[j] + 1, now[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) now[j] = std::min(now[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, now);
  }
  return last[b.size()];
}

// The word that is nearest to what was written, whatever the case, if one is near: a third of its letters may be wrong,
// two of them at least; empty: none.
template <class Words>
std::string nearest(std::string_view written, const Words& words) {
  constexpr std::size_t kLongest = 64;
  std::string found;
  std::size_t least = std::min<std::size_t>(std::max<std::size_t>(2, written.size() / 3), written.size() / 2) + 1;
  if (written.size() > kLongest) return found;
  const std::string folded = lower(written);
  for (const std::string_view word : words) {
    const auto longer = std::max(word.size(), written.size()) - std::min(word.size(), written.size());
    if (word.size() > kLongest || longer >= least) continue;
    if (const auto n = edits(folded, lower(word)); n < least) {
      least = n;
      found = word;
    }
  }
  return found;
}

// "; did you mean WORD?", or nothing.
template <class Words>
std::string did_you_mean(std::string_view written, const Words& words) {
  const auto word = nearest(written, words);
  return word.empty() ? word : "; did you mean " + word + "?";
}

}  // namespace sluice
