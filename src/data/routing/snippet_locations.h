#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/regex.h"
#include "data/routing/route_table.h"

// The locations that snippets of one host write (model::of_snippet). nginx has one list of locations for a server; here
// those of a snippet are asked about a request once it is known whose it is without them, so that they take nothing
// from another namespace.
namespace sluice::data {

// Immutable once made; any thread.
class SnippetLocations {
 public:
  // Of `routes`, which must outlive this, those of snippets; null: there are none.
  static std::unique_ptr<const SnippetLocations> of(std::span<const Route> routes);

  // Who takes the request that `without` would have, in nginx's order: `=`, then the longest of all prefixes, which a
  // `^~` ends; then regular expressions in the order of their text, unless `without` is the path itself (then those
  // inside of it alone); and paths that are regular expressions behind those of snippets. A redirect to the path with a
  // slash, be it that of a snippet or `without`, comes behind locations of the very path and before all that are
  // shorter. Of two prefixes of one path, of which nginx would take none, the snippet's counts: it may forbid what the
  // other one does not. `gave_up`: nobody knows, as the pattern of what is returned takes too many steps; may be null.
  // visit(route, taken) of each location that was asked.
  template <class Visit>
  const Route& choose(const Route& without, std::string_view path, bool* gave_up, Visit&& visit) const;
  const Route& choose(const Route& without, std::string_view path, bool* gave_up) const noexcept {
    return choose(without, path, gave_up, [](const Route&, bool) noexcept {});
  }

 private:
  struct Location {
    const Route* route;
    std::shared_ptr<const Regex> regex;  // of patterns; null there: it could not be compiled, and ends its requests
  };
  // Whose requests it may take: all of its namespace, or of its Ingress.
  static bool may_take(const Route& location, const Route& without) noexcept {
    const model::Route &mine = *location.spec, &other = *without.spec;
    if (mine.rank / 2 != other.rank / 2 || other.rank % 2 != 0) return false;
    return !mine.nested || (mine.ingress.view() == other.ingress.view() && mine.ns.view() == other.ns.view());
  }

  // Nested ones first: nginx asks inside of a location before beside it.
  std::vector<Location> exact_, prefixes_, slashes_, patterns_;
};

template <class Visit>
const Route& SnippetLocations::choose(const Route& without, std::string_view path, bool* gave_up, Visit&& visit) const {
  using enum model::PathMatch;
  for (const Location& l : exact_) {
    if (!may_take(*l.route, without)) continue;
    const bool takes = l.route->spec->path.view() == path;
    visit(*l.route, takes);
    if (takes) return *l.route;
  }
  const auto match = without.spec->match;
  // Beside the very path nothing else is asked; what stands inside of it is.
  const auto asked = [&](const Location& l) {
    return may_take(*l.route, without) && (match != exact || l.route->spec->nested);
  };
  const Route* slash = match == slash_redirect ? &without : nullptr;
  for (const Location& l : slashes_) {
    if (!asked(l)) continue;
    const bool takes = l.route->spec->path.view() == path;
    visit(*l.route, takes);
    if (takes && slash == nullptr) slash = l.route;
  }
  // What the longest prefix is; a path that is a regular expression stands behind all that snippets write.
  const Route* best = nullptr;
  std::size_t longest = slash != nullptr                    ? path.size()
                        : match == prefix || match == exact ? without.spec->path.view().size()
                                                            : 0;
  for (const Location& l : prefixes_) {
    if (!asked(l)) continue;
    // Beside a path that is a regular expression a plain prefix is not asked; inside of it, it is.
    if (match == pattern && !l.route->spec->nested && l.route->spec->match != snippet_first) continue;
    const auto own = l.route->spec->path.view();
    const bool takes = path.starts_with(own) && own.size() + (best == nullptr ? 1 : 0) > longest;
    visit(*l.route, takes);
    if (!takes) continue;
    best = l.route;
    longest = own.size();
  }
  if (best != nullptr && best->spec->match == snippet_first) return *best;
  if (best == nullptr && slash != nullptr) return *slash;
  for (const Location& l : patterns_) {
    if (!asked(l)) continue;
    const auto outcome = l.regex ? l.regex->match(path) : Regex::Outcome::gave_up;
    visit(*l.route, outcome == Regex::Outcome::yes);
    if (outcome == Regex::Outcome::no) continue;
    if (outcome == Regex::Outcome::gave_up && gave_up != nullptr) *gave_up = true;
    return *l.route;
  }
  return best == nullptr ? without : *best;
}

}  // namespace sluice::data
