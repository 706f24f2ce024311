#include "control/kube/annotations/registry.h"
#include "control/kube/grammar.h"

// allowlist-source-range, its older name whitelist-source-range, and denylist-source-range.
namespace sluice::control::annotation {

namespace {

std::string ranges(std::string_view v, std::optional<std::vector<model::Cidr>>& out) {
  auto read = parse_source_ranges(v);
  if (!read) return "a comma-separated list of addresses and ranges such as 10.0.0.0/8";
  out = std::move(read);
  return {};
}

}  // namespace

std::string allowlist_source_range(std::string_view v, const Ingress&, AnnotationValues& out) {
  return ranges(v, out.allowlist);
}
// The first name counts where both are there (registry.cpp).
std::string whitelist_source_range(std::string_view v, const Ingress&, AnnotationValues& out) {
  return ranges(v, out.allowlist);
}
std::string denylist_source_range(std::string_view v, const Ingress&, AnnotationValues& out) {
  return ranges(v, out.denylist);
}

}  // namespace sluice::control::annotation
