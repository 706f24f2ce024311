#include "control/kube/source_ranges.h"

#include <array>

#include "control/kube/annotations/values.h"

// allowlist-source-range, its older name whitelist-source-range, and denylist-source-range.
namespace sluice::control::annotation {

namespace {

using WrittenRanges = std::optional<std::vector<model::Cidr>> AnnotationValues::*;

template <WrittenRanges Which>
std::string read_ranges(std::string_view v, const AnnotationContext& context, AnnotationValues& out) {
  auto read = parse_source_ranges(v);
  if (!read) return "a comma-separated list of addresses and ranges such as 10.0.0.0/8";
  out.*Which = std::move(read);
  out.settings.source_ranges = source_ranges(context.options, out.allowlist, out.denylist);
  return {};
}

std::string print_allowed(const ServedRoute& served) {
  const auto& ranges = served.settings.source_ranges;
  return ranges ? source_ranges_text(ranges->allowed) : "";
}
std::string print_denied(const ServedRoute& served) {
  const auto& ranges = served.settings.source_ranges;
  return ranges && !ranges->blocked ? source_ranges_text(ranges->denied) : "";
}

constexpr AnnotationValue kAllowed{"list of ranges", read_ranges<&AnnotationValues::allowlist>, print_allowed};
constexpr std::string_view kNewer = "allowlist-source-range";

constexpr std::array kSourceRangeRows{
    Annotation{.name = kNewer,
               .value = kAllowed,
               .on_invalid = OnInvalid::deny,
               .risk = model::Risk::medium,
               .option = "whitelist-source-range",
               .doc = "addresses and ranges whose requests are taken; others are 403"},
    Annotation{.name = "denylist-source-range",
               .value = {"list of ranges", read_ranges<&AnnotationValues::denylist>, print_denied},
               .on_invalid = OnInvalid::deny,
               .risk = model::Risk::medium,
               .option = "denylist-source-range",
               .doc = "addresses and ranges whose requests are 403, also those that an allowlist takes"},
    Annotation{.name = "whitelist-source-range",
               .value = kAllowed,
               .on_invalid = OnInvalid::deny,
               .risk = model::Risk::medium,
               .option = "whitelist-source-range",
               .newer = kNewer,
               .doc = "the older name of allowlist-source-range, which counts where both are there"},
};

}  // namespace

AnnotationFamily source_range() {
  return {kSourceRangeRows};
}

}  // namespace sluice::control::annotation
