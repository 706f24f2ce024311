#include "base/variables.h"

#include <iterator>

#include "base/strings.h"

namespace sluice {

namespace {

static_assert(std::size(kVariables) < 256);

constexpr bool of_name(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

}  // namespace

Variable find_variable(std::string_view name) noexcept {
  for (std::size_t i = kUnknown + 1; i < std::size(kVariables); ++i) {
    const auto row = kVariables[i].name;
    if (!row.ends_with('_') && iequals(row, name)) return {static_cast<VariableId>(i)};
    if (row.ends_with('_') && name.size() > row.size() && iequals(name.substr(0, row.size()), row))
      return {static_cast<VariableId>(i), name.substr(row.size())};
  }
  return {};
}

bool names_field(std::string_view of, std::string_view field) noexcept {
  const auto as_variable = [](char c) { return c == '-' ? '_' : lower(c); };
  return std::ranges::equal(of, field, {}, as_variable, as_variable);
}

Template::Template(std::string text) : text_(std::move(text)) {
  const std::string_view all = text_;
  std::size_t literal = 0;  // where the text begins that is not in a part yet
  const auto add = [&](VariableId variable, std::size_t begin, std::size_t end) {
    parts_.push_back({variable, static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end - begin)});
  };
  for (auto dollar = all.find('$'); dollar != std::string_view::npos; dollar = all.find('$', dollar)) {
    const bool braced = all.substr(dollar + 1).starts_with('{');
    const std::size_t begin = dollar + (braced ? 2 : 1);
    std::size_t end = begin;
    // A group is one digit, whatever follows.
    if (!braced && begin < all.size() && all[begin] >= '1' && all[begin] <= '9')
      end = begin + 1;
    else
      while (end < all.size() && of_name(all[end])) ++end;
    const bool closed = !braced || (end < all.size() && all[end] == '}');
    const std::size_t after = end + (braced ? 1 : 0);
    if (end == begin || !closed) {  // a dollar sign that begins no name stays
      ++dollar;
      continue;
    }
    if (literal < dollar) add(kLiteral, literal, dollar);
    const auto name = all.substr(begin, end - begin);
    if (name.size() == 1 && name[0] >= '1' && name[0] <= '9') {
      add(kGroup, begin, end);
    } else {
      const Variable found = find_variable(name);
      const std::size_t skipped = found.of.empty() ? 0 : name.size() - found.of.size();
      add(found.id, begin + skipped, end);
    }
    literal = dollar = after;
  }
  if (literal < all.size()) add(kLiteral, literal, all.size());
  parts_.shrink_to_fit();
}

bool Template::names_variables() const noexcept {
  for (const Part& part : parts_)
    if (part.variable > kGroup) return true;
  return false;
}

bool Template::names_groups() const noexcept {
  return std::ranges::any_of(parts_, [](const Part& part) { return part.variable == kGroup; });
}

std::string Template::first_too_late(VariableRow::When by) const {
  for (const Part& part : parts_) {
    const VariableRow& row = kVariables[part.variable];
    if (row.when <= by || row.when == VariableRow::When::never) continue;
    return "$" + std::string(row.name) + (row.name.ends_with('_') ? std::string(text_of(part)) : "");
  }
  return {};
}

std::string Template::first_unknown(bool groups) const {
  for (const Part& part : parts_) {
    const auto text = text_of(part);
    if (part.variable == kLiteral && text.find('$') != std::string_view::npos) return "$";
    if (part.variable == kUnknown || (part.variable == kGroup && !groups)) return "$" + std::string(text);
  }
  return {};
}

}  // namespace sluice
