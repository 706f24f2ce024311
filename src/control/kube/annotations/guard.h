#pragma once
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "control/source/object.h"
#include "model/options.h"
#include "model/report.h"

// What protects never opens: an annotation that guards requests and is not served by this version closes whatever
// ingress-nginx would have guarded by it (SECURITY.md).
namespace sluice::control {

// The annotations of an Ingress under the prefix, without those of `accepted` names that are not served, be it that the
// options allow no snippets: these are as if absent. Views into the Ingress.
class Written {
 public:
  Written(const Ingress& ingress, std::string_view prefix, const std::set<std::string>& accepted,
          const model::Options& options);
  // As written; empty when absent.
  std::string_view raw(std::string_view name) const;
  // Without white space at its ends.
  std::string_view operator[](std::string_view name) const;
  const std::map<std::string_view, std::string_view>& all() const { return values_; }
  const std::map<std::string_view, std::string_view>& accepted() const { return accepted_; }

 private:
  std::map<std::string_view, std::string_view> values_, accepted_;
};

// How far something closes.
enum class Closes : std::uint8_t { nothing, paths, host };

// What one annotation means for the Ingress that has it.
struct Guard {
  Closes closes = Closes::nothing;
  bool authenticates = false;  // not for paths below no-auth-locations
  bool drops = false;          // ingress-nginx does not load such an Ingress
  bool silent = false;         // doing nothing is what it asks for
  model::Severity severity = model::Severity::warning;
  std::string_view reason = "UnsupportedAnnotation";
  std::string expected = "an annotation that this version serves";
  std::string consequence = "it has no effect";
};

// Reads `value` (trimmed, not empty) of one annotation; `all` are its neighbours.
using Judge = Guard (*)(std::string_view value, const Written& all, const model::Options& options);

// The annotations of ingress-nginx that this version does not serve.
struct UnservedAnnotation {
  std::string_view name;
  model::Risk risk = model::Risk::low;
  Closes closes = Closes::nothing;  // at most
  Judge judge = nullptr;            // null: it guards nothing
};
std::span<const UnservedAnnotation> unserved_annotations();
// Can it guard anything? Those are what --accept-unprotected takes.
bool guards(std::string_view annotation);
// Does it say, alone or with others, which requests are taken?
bool protects(std::string_view annotation);
// Then nobody can want to do without it: who accepted that an annotation was not served did so for want of it.
bool is_served(std::string_view annotation, std::string_view value);

// By annotations-risk-level; low for names that ingress-nginx does not know.
model::Risk risk_of(std::string_view annotation);

namespace guard {
Guard of_nginx(std::string_view, const Written&, const model::Options&);
Guard traces(std::string_view, const Written&, const model::Options&);
Guard operation_name(std::string_view, const Written&, const model::Options&);
Guard pushes(std::string_view, const Written&, const model::Options&);
Guard beside_modsecurity(std::string_view, const Written&, const model::Options&);
Guard enable_modsecurity(std::string_view, const Written&, const model::Options&);
Guard other_snippet(std::string_view, const Written&, const model::Options&);
}  // namespace guard

}  // namespace sluice::control
