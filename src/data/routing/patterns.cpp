#include "data/routing/patterns.h"

#include <algorithm>
#include <set>
#include <tuple>

namespace sluice::data {

namespace {

// What the Ingress wrote; a Prefix is also a pattern with a slash behind it.
std::string_view written(const Route& route) {
  return route.spec->location.empty() ? route.spec->path.view() : route.spec->location.view();
}

}  // namespace

Patterns::Patterns(std::span<Route> routes) {
  std::vector<std::string> texts;  // what each of patterns_ begins with
  for (Route& route : routes) {
    if (route.spec->match != model::PathMatch::pattern) continue;
    const std::string_view text = route.spec->path;
    LiteralBeginning beginning = literal_beginning(text);
    Pattern& p = patterns_.emplace_back();
    p.route = &route;
    p.rank = route.spec->rank;
    if (!beginning.whole || beginning.text.size() > kMostLiteral) {
      auto regex = Regex::make("^" + std::string(text));
      if (!regex) {
        patterns_.pop_back();
        continue;
      }
      p.regex = regex->get();
      regexes_.push_back(std::move(*regex));
    }
    const bool rewrites = route.settings != nullptr && route.settings->rewrite;
    const auto* const snippet = route.settings != nullptr ? route.settings->snippet.get() : nullptr;
    if (rewrites || snippet != nullptr) {
      // ingress-nginx matches a second time for the rewrite, and there the pattern may begin anywhere; where a snippet
      // has made the path another one, it does.
      route.pattern = p.regex;
      const bool moves = snippet != nullptr && std::ranges::any_of(snippet->location, [](const auto& step) {
                           return step.kind == model::SnippetStep::Kind::rewrite;
                         });
      if (rewrites && (moves || (p.regex && may_alternate(text)))) {
        if (auto anywhere = Regex::make(text)) {
          route.pattern = anywhere->get();
          regexes_.push_back(std::move(*anywhere));
        }
      }
    }
    std::string literal = lower(std::string_view(beginning.text).substr(0, kMostLiteral));
    p.length = static_cast<std::uint32_t>(literal.size());
    if (literal.ends_with('/')) --p.length;
    texts.push_back(std::move(literal));
  }
  for (const auto& text : std::set(texts.begin(), texts.end())) literals_.push_back({text, kNone, {}});
  for (std::size_t i = 0; i < patterns_.size(); ++i)
    patterns_[i].literal = static_cast<std::uint32_t>(
        std::ranges::lower_bound(literals_, texts[i], {}, &Literal::text) - literals_.begin());
  for (std::uint32_t i = 0; i < literals_.size(); ++i) {
    std::uint32_t parent = i == 0 ? kNone : i - 1;
    while (parent != kNone && !literals_[i].text.starts_with(literals_[parent].text)) parent = literals_[parent].parent;
    literals_[i].parent = parent;
  }
  // As ingress-nginx orders locations: longer text first, at the same length the later in the alphabet.
  std::stable_sort(patterns_.begin(), patterns_.end(), [](const Pattern& a, const Pattern& b) {
    const std::string_view left = written(*a.route), right = written(*b.route);
    return std::tuple(a.rank, right.size(), right) < std::tuple(b.rank, left.size(), left);
  });
  for (std::uint32_t i = 0; i < patterns_.size(); ++i) {
    literals_[patterns_[i].literal].patterns.push_back(i);
    in_order_.push_back(patterns_[i].route);
  }
}

// Whatever `lowered` begins with is no later in the order than `lowered`, and between the two lies only what begins
// with it too: it is the last one that is not behind `lowered`, or one that this begins with.
std::uint32_t Patterns::longest_literal(std::string_view lowered) const noexcept {
  const auto behind = std::upper_bound(literals_.begin(), literals_.end(), lowered,
                                       [](std::string_view text, const Literal& l) { return text < l.text; });
  auto at = behind == literals_.begin() ? kNone : static_cast<std::uint32_t>(behind - literals_.begin() - 1);
  while (at != kNone && !lowered.starts_with(literals_[at].text)) at = literals_[at].parent;
  return at;
}

}  // namespace sluice::data
