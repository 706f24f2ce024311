#include "control/kube/text_rules.h"

#include <algorithm>
#include <optional>

#include "control/kube/grammar.h"

namespace sluice::control {

namespace {

constexpr std::string_view kBlanks = " \t\r\n";
constexpr std::string_view kQuoted = "\"'";

// A word of nginx's configuration (ngx_conf_read_token): quotes around it, a backslash before a quote or a backslash.
std::optional<std::string> read_word(std::string_view text) {
  const bool quoted = kQuoted.find(text.front()) != std::string_view::npos;
  const char quote = quoted ? text.front() : '\0';
  if (quoted) text.remove_prefix(1);
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\') {
      if (++i == text.size()) return std::nullopt;
      const char next = text[i];
      if (next != '"' && next != '\'' && next != '\\') out += '\\';
      out += next;
    } else if (quoted && c == quote) {
      return i + 1 == text.size() ? std::optional(out) : std::nullopt;
    } else if (!quoted && (kBlanks.find(c) != std::string_view::npos || c == ';' || c == '{' || (c == '#' && i == 0))) {
      return std::nullopt;
    } else {
      out += c;
    }
  }
  return quoted ? std::nullopt : std::optional(out);
}

}  // namespace

std::expected<model::TextRule, std::string> read_text_rule(std::string_view element, RegexBudget& budget) {
  auto word = has_control(element) ? std::nullopt : read_word(element);
  if (!word) return std::unexpected("");
  model::TextRule rule;
  if (word->starts_with('~')) {
    const bool any_case = word->starts_with("~*");
    rule.kind = any_case ? model::TextRule::Kind::pattern_of_any_case : model::TextRule::Kind::pattern;
    rule.text = word->substr(any_case ? 2 : 1);
    if (rule.text.empty()) return std::unexpected("");
    if (auto made = budget.make(model::regex_text(rule)); !made) return std::unexpected(std::move(made.error()));
    return rule;
  }
  for (const std::string_view own : {"default", "hostnames", "include", "volatile"})  // what the map has for itself
    if (*word == own) return std::unexpected("");
  rule.text = word->starts_with('\\') ? word->substr(1) : std::move(*word);
  return rule;
}

std::string text_rule_text(const model::TextRule& rule) {
  using Kind = model::TextRule::Kind;
  const std::string text = (rule.kind == Kind::pattern               ? "~"
                            : rule.kind == Kind::pattern_of_any_case ? "~*"
                                                                     : "") +
                           rule.text;
  RegexBudget own;  // it has been counted
  const auto plain = read_text_rule(text.empty() ? "\"\"" : text, own);
  if (!text.empty() && plain && *plain == rule) return text;
  std::string out = "\"";
  if (rule.kind == Kind::whole && (text.starts_with('~') || text.starts_with('\\') || !plain)) out += "\\\\";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

}  // namespace sluice::control
