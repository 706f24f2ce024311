#pragma once
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "base/regex.h"
#include "model/options.h"

// Lists of texts and regular expressions as block-user-agents and block-referers have them: elements of a
// comma-separated list that ingress-nginx writes as they are into a map of nginx's configuration.
namespace sluice::control {

// One element (trimmed, not empty): a word of nginx's, which may stand in quotes. `~` makes it a regular expression,
// `~*` one whatever the case; anything else is a whole text, whatever the case. An error, which says what was expected
// or nothing, where nginx would refuse it, or where `budget` has no room for it.
std::expected<model::TextRule, std::string> read_text_rule(std::string_view element, RegexBudget& budget);
// As read_text_rule reads it.
std::string text_rule_text(const model::TextRule& rule);

}  // namespace sluice::control
