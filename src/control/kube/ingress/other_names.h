#pragma once
#include <map>
#include <optional>
#include <string>

#include "base/regex.h"
#include "control/kube/ingress/translator.h"

// The other names of hosts: those that server-alias gives them, and the one that from-to-www-redirect sends to them.
// An Ingress that asks for one has its place in the line at that name, as if it had a rule for it: a name belongs to
// the namespace of the oldest Ingress that names it, and inside a namespace rules come first.
namespace sluice::control {

// Regular expressions that count (name_places.h): each is asked about every name that nobody has as it is.
inline constexpr std::size_t kMostNamePatterns = 100;

// "www.x" of a host x, "x" of a host www.x; empty where there is none: of a wildcard and of the catch-all.
std::string www_of(const std::string& host);

// Reads an element of server-alias (trimmed, not empty) into names as model::Alias has them: ".x" is x and "*.x".
// Returns what was expected, and adds nothing then. `budget` is that of all its regular expressions.
std::string read_alias(std::string_view text, RegexBudget& budget, std::vector<std::string>& out);

// Does the Ingress ask for it, be it for one of its hosts?
bool asks_for_name(const IngressState& state, const std::string& name);

}  // namespace sluice::control
