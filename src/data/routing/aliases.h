#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/regex.h"
#include "data/routing/hash.h"
#include "data/routing/host_routes.h"

// The other names of the hosts of a table (model::Alias): exact ones, wildcards, regular expressions.
namespace sluice::data {

// Immutable once made; any thread. A name costs one look-up of the exact ones; where there are wildcards one for each
// of its dots, as far as any of them is that long; where there are regular expressions a match of each.
class Aliases {
 public:
  using HostPtr = std::shared_ptr<const HostRoutes>;
  struct Entry {
    const model::Alias* spec = nullptr;  // of `host`
    HostPtr host;
    // Between namespaces the older wish counts.
    bool goes_before(const Entry& other) const {
      return host->spec().ns != other.host->spec().ns && spec->age < other.spec->age;
    }
  };
  // Those of `previous` (null: none) without the names of the hosts of `gone`, and with those of `come`. Null when
  // there are none. The cost is a copied part, of 64, for each name that goes or comes, and all regular expressions.
  static std::shared_ptr<const Aliases> make(const Aliases* previous, const HashSeed& seed,
                                             std::span<const HostPtr> gone, std::span<const HostPtr> come);

  // Names are in lower case, without port and trailing dot.
  const Entry* exact(std::string_view name) const noexcept { return exact_.find(name); }

  struct Found {
    const Entry* entry = nullptr;
    bool undecided = false;   // nobody knows, as a regular expression takes too many steps for the name
    std::uint32_t given = 0;  // that do
  };
  // Who takes a name that nobody has as it is: as in nginx the longest "*.x", else the longest "x.*", else the first
  // regular expression; but from a namespace only what it has not asked for itself before. `wildcard`: the host of a
  // rule that takes the name, or null: aliases of other namespaces take nothing from it. `catch_all` (may be null) has
  // the names that nobody takes. A regular expression that takes too many steps is passed over, unless the name would
  // then be its namespace's, or nobody's. tell(entry, outcome) of each that was looked at and might be the answer.
  template <class Tell>
  Found match(std::string_view name, const HostRoutes* wildcard, const HostRoutes* catch_all, Tell&& tell) const;

 private:
  static constexpr std::size_t kParts = 64;
  static constexpr std::size_t kLongestName = 253;  // bytes; longer ones are no names (RFC 1035), and match no wildcard

  struct Hash {
    HashSeed seed;
    std::size_t operator()(std::string_view name) const noexcept { return hash_name(seed, name); }
  };
  using Part = std::unordered_map<std::string_view, Entry, Hash>;  // keys lie in the entries
  // Names of one kind, by what they have beside the wildcard.
  struct Names {
    HashSeed seed;
    std::array<std::shared_ptr<const Part>, kParts> parts;
    std::size_t count = 0, longest = 0;  // bytes; of all that there ever were
    std::size_t part_of(std::string_view text) const noexcept { return hash_name(seed, text) >> 58; }
    const Entry* find(std::string_view text) const noexcept;
    void set(std::string_view text, const Entry* entry, std::array<std::shared_ptr<Part>, kParts>& copies);
  };
  struct Pattern {
    std::shared_ptr<const Regex> regex;
    Entry entry;
  };
  // Whose regular expressions took too many steps for a name. Nothing is written before one does.
  class Runaways {
   public:
    bool any() const noexcept { return count_ > 0; }
    std::uint32_t count() const noexcept { return count_; }
    bool of(const HostRoutes& host) const noexcept {
      if (count_ > kKept) return true;  // those that are not kept might be anybody's
      return std::ranges::any_of(std::span(by_).first(count_),
                                 [&](const Entry* e) { return e->host->spec().ns == host.spec().ns; });
    }
    void add(const Entry& entry) noexcept {
      if (count_ < kKept) by_[count_] = &entry;
      ++count_;
    }

   private:
    static constexpr std::size_t kKept = 128;  // as many as there are (docs/limits.md), and some more
    std::uint32_t count_ = 0;
    std::array<const Entry*, kKept> by_;
  };
  // With the text that a name is kept by.
  static std::string_view text_of(std::string_view name) noexcept;

  const Entry* leading(std::string_view name) const noexcept;
  const Entry* trailing(std::string_view name) const noexcept;

  Names exact_, leading_, trailing_;
  std::vector<Pattern> patterns_;  // the oldest first
};

template <class Tell>
Aliases::Found Aliases::match(std::string_view name, const HostRoutes* wildcard, const HostRoutes* catch_all,
                              Tell&& tell) const {
  if (name.empty()) return {};  // a client of HTTP/1.0 that names no host
  const Entry* best = nullptr;
  for (const Entry* entry : {leading(name), trailing(name)}) {
    if (entry == nullptr) continue;
    tell(*entry, Regex::Outcome::yes);
    if (best == nullptr || entry->goes_before(*best)) best = entry;
  }
  // Rules come before the aliases of others; inside a namespace, as in nginx, before its regular expressions alone.
  if (wildcard != nullptr) {
    if (best == nullptr || best->host->spec().ns != wildcard->spec().ns) return {};
    return {best};
  }
  Runaways runaways;
  for (const Pattern& p : patterns_) {
    if (best != nullptr && !p.entry.goes_before(*best)) continue;
    const auto outcome = p.regex->match_after(runaways.count(), name);
    tell(p.entry, outcome);
    if (outcome == Regex::Outcome::gave_up) runaways.add(p.entry);
    if (outcome != Regex::Outcome::yes) continue;
    best = &p.entry;
    break;
  }
  if (!runaways.any()) return {best};
  const HostRoutes* const takes = best != nullptr ? best->host.get() : catch_all;
  return {best, takes == nullptr || runaways.of(*takes), runaways.count()};
}

}  // namespace sluice::data
