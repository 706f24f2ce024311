#include "data/routing/snippet_locations.h"

#include <algorithm>

namespace sluice::data {

std::unique_ptr<const SnippetLocations> SnippetLocations::of(std::span<const Route> routes) {
  using enum model::PathMatch;
  if (std::ranges::none_of(routes, [](const Route& r) { return model::of_snippet(r.spec->match); })) return nullptr;
  auto out = std::make_unique<SnippetLocations>();
  for (const Route& route : routes) {
    const auto match = route.spec->match;
    if (!model::of_snippet(match)) continue;
    if (!model::is_snippet_pattern(match)) {
      (match == snippet_exact   ? out->exact_
       : match == snippet_slash ? out->slashes_
                                : out->prefixes_)
          .push_back({&route, nullptr});
      continue;
    }
    const std::string cased = match == snippet_pattern ? "(?-i)" : "";
    auto made = Regex::make(cased + route.spec->path.str());
    out->patterns_.push_back({&route, made ? std::move(*made) : nullptr});
  }
  for (auto* list : {&out->exact_, &out->prefixes_, &out->slashes_, &out->patterns_})
    std::ranges::stable_partition(*list, [](const Location& l) { return l.route->spec->nested; });
  return out;
}

}  // namespace sluice::data
