#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/regex.h"
#include "base/strings.h"
#include "data/routing/route_table.h"

// The routes of one host whose paths are regular expressions (model::PathMatch::pattern), which are asked in order.
namespace sluice::data {

// What became of a pattern for a path.
enum class Asked : std::uint8_t {
  no,         // it does not match
  yes,        // it matches
  too_short,  // a namespace before its own has a path there that is no shorter
  gave_up,    // its match took too many steps
};

// Immutable once made; any thread. A request asks the patterns whose literal beginning it has, so the cost depends on
// how many of these there are, not on the number of patterns.
class Patterns {
 public:
  // Of `routes`, which must outlive this, those that are patterns; sets their Route::pattern. What does not compile
  // takes nothing: the translator has refused it.
  explicit Patterns(std::span<Route> routes);

  struct Found {
    const Route* route = nullptr;
    bool undecided = false;   // nobody knows: a pattern of its namespace takes too many steps, as may its own
    std::uint32_t given = 0;  // patterns that do
  };
  // The first namespace in the line that has a path there, unless one behind it has a longer one: the path of the one
  // before counts as it is written, the one of the other as long as its literal beginning. Inside a namespace longer
  // text goes first. `plain(from, to, longer)` finds the longest route of the host that is no pattern, of ranks from
  // `from` to below `to`, and longer than `longer` (bytes); or null. visit(route, Asked) of each pattern that was
  // asked. One that takes too many steps takes nothing from a namespace before its own; those behind it are asked as if
  // it matched, as what one has is not changed by those behind it.
  template <class Plain, class Visit>
  Found walk(std::string_view path, Plain&& plain, Visit&& visit) const;

  // Routes that are patterns, in the order in which they would be asked, were all asked.
  const std::vector<const Route*>& in_order() const noexcept { return in_order_; }

 private:
  static constexpr std::size_t kMostLiteral = 256;  // bytes of a literal beginning that are looked at
  static constexpr std::size_t kCursors = 16;
  static constexpr std::uint32_t kNone = 0xffffffff;
  struct Pattern {
    const Regex* regex = nullptr;  // null: the literal beginning is all of it
    const Route* route = nullptr;
    std::uint32_t rank = 0;
    std::uint32_t literal = kNone;  // in literals_
    std::uint32_t length = 0;       // of the literal beginning, without a slash at its end
  };
  struct Literal {
    std::string text;                     // lower case
    std::uint32_t parent = kNone;         // the longest other one that it begins with
    std::vector<std::uint32_t> patterns;  // that begin with it, in order
  };
  // Calls ask(pattern) in order for those whose literal beginning `path` has.
  template <class Ask>
  void each(std::string_view path, Ask&& ask) const;
  std::uint32_t longest_literal(std::string_view lowered) const noexcept;

  std::vector<Pattern> patterns_;  // in order
  std::vector<Literal> literals_;  // sorted
  std::vector<const Route*> in_order_;
  std::vector<std::shared_ptr<const Regex>> regexes_;
};

// How long a route's path is beside another namespace's: what is longer takes requests from it.
inline std::int64_t length_of(const Route& route) noexcept {
  return route.spec->free ? -1 : static_cast<std::int64_t>(route.spec->path.size());
}

template <class Ask>
void Patterns::each(std::string_view path, Ask&& ask) const {
  char lowered[kMostLiteral];
  const std::size_t size = std::min(path.size(), kMostLiteral);
  for (std::size_t i = 0; i < size; ++i) lowered[i] = lower(path[i]);
  // The patterns of each literal beginning are in order; the next one of all is asked.
  std::array<std::pair<const std::uint32_t*, const std::uint32_t*>, kCursors> cursors;
  std::size_t count = 0;
  for (auto at = longest_literal({lowered, size}); at != kNone; at = literals_[at].parent) {
    if (count == kCursors) {  // so many beginnings of one another that asking all is no dearer
      for (const Pattern& p : patterns_)
        if (std::string_view(lowered, size).starts_with(literals_[p.literal].text)) ask(p);
      return;
    }
    const auto& list = literals_[at].patterns;
    if (!list.empty()) cursors[count++] = {list.data(), list.data() + list.size()};
  }
  while (count > 0) {
    std::size_t next = 0;
    for (std::size_t i = 1; i < count; ++i)
      if (*cursors[i].first < *cursors[next].first) next = i;
    ask(patterns_[*cursors[next].first]);
    if (++cursors[next].first == cursors[next].second) cursors[next] = cursors[--count];
  }
}

template <class Plain, class Visit>
Patterns::Found Patterns::walk(std::string_view path, Plain&& plain, Visit&& visit) const {
  constexpr std::int64_t kNothing = -1;  // any path is longer
  constexpr std::uint32_t kEnd = std::numeric_limits<std::uint32_t>::max();
  Found best;
  std::int64_t longer = kNothing;
  std::uint32_t rank = 0;          // all below it have been asked, and of it the patterns that come before
  bool decided = false;            // the rank has had its say
  bool open = false;               // a pattern of the rank gave up
  std::int64_t behind = kNothing;  // what those behind the rank have to be longer than beside `longer`
  const auto ask_plain = [&](std::uint32_t to) {
    longer = std::max(longer, behind);
    const Route* const route = plain(rank, to, longer);
    if (route == nullptr) return;
    longer = length_of(*route);
    // What is withheld says nothing of what would be answered instead.
    if (!best.undecided || route->spec->rank % 2 == 0) best = {route, false, best.given};
  };
  each(path, [&](const Pattern& p) {
    if (p.rank != rank) {
      ask_plain(p.rank);
      rank = p.rank;
      decided = open = false;
    }
    if (decided) return;
    if (longer > kNothing && p.length <= longer) {
      visit(*p.route, Asked::too_short);
      return;
    }
    const auto outcome = p.regex ? p.regex->match_after(best.given, path) : Regex::Outcome::yes;
    if (outcome == Regex::Outcome::no) {
      visit(*p.route, Asked::no);
      return;
    }
    if (outcome == Regex::Outcome::gave_up) {
      visit(*p.route, Asked::gave_up);
      ++best.given;
      open = true;
      behind = std::max(behind, length_of(*p.route));
      // What would go to nobody otherwise stays open, whatever else the rank has.
      if (best.route == nullptr || best.route->spec->free) best = {p.route, true, best.given};
      decided = best.route == p.route;
      return;
    }
    visit(*p.route, Asked::yes);
    decided = true;
    longer = length_of(*p.route);
    // What is withheld for an Ingress that is refused is answered as before, but by nobody behind it.
    if (p.rank % 2 == 0 || !best.route) best = {p.route, open, best.given};
  });
  ask_plain(kEnd);
  return best;
}

}  // namespace sluice::data
