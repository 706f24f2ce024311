#include "control/kube/replacement.h"

#include <algorithm>

#include "base/regex.h"
#include "base/strings.h"
#include "control/kube/grammar.h"

namespace sluice::control {

namespace {

using Held = model::Shared<model::Replacement>;

constexpr std::size_t kMost = 2048;  // bytes of one text

bool fine(std::string_view text, std::string_view marks) {
  if (text.size() > kMost) return false;
  return marks.empty() ? std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; }) : made_of(text, marks);
}

std::string wrong_from(std::string_view from, std::string_view marks) {
  if (from.empty() || !fine(from, marks))
    return marks.empty() ? "a text without blanks, or ~ or ~* and a regular expression"
                         : "a text of letters, digits and " + std::string(marks) + ", or ~ and a regular expression";
  if (!from.starts_with('~'))
    return from.find('$') == std::string_view::npos ? ""
                                                    : "a text without variables, as only regular expressions have $";
  if (auto made = Regex::make(model::regex_text(from)); !made) return "a regular expression: " + made.error();
  return {};
}

// Groups are those of a regular expression.
std::string wrong_to(const Template& to, std::string_view marks) {
  if (to.empty() || !fine(to, marks))
    return marks.empty() ? "a text without blanks" : "a text of letters, digits and " + std::string(marks);
  return wrong_variables(to, true);
}

void put(model::Replacement wanted, Held& out) {
  const bool off = wanted == model::Replacement{};
  out = off ? Held() : Held(std::move(wanted));
}

model::Replacement of(const Held& held) {
  return held ? *held : model::Replacement{};
}

}  // namespace

std::string read_replaced(std::string_view from, std::string_view marks, Held& out) {
  auto wrong = wrong_from(from, marks);
  if (!wrong.empty()) return wrong;
  auto wanted = of(out);
  wanted.from = from;
  put(std::move(wanted), out);
  return {};
}

std::string read_replacing(std::string_view to, std::string_view marks, Held& out) {
  Template text(to);
  auto wrong = wrong_to(text, marks);
  if (!wrong.empty()) return wrong;
  auto wanted = of(out);
  wanted.to = std::move(text);
  put(std::move(wanted), out);
  return {};
}

std::string read_replacement(std::string_view both, std::string_view marks, Held& out) {
  both = trim(both);
  if (both == "off") {
    out.reset();
    return {};
  }
  const auto end = std::min(both.find_first_of(" \t"), both.size());
  const auto from = both.substr(0, end), to = trim(both.substr(end));
  Template text(to);
  auto wrong =
      to.empty() ? "off, or a text and what stands in its place, with a blank between them" : wrong_from(from, marks);
  if (wrong.empty()) wrong = wrong_to(text, marks);
  if (wrong.empty()) put({std::string(from), std::move(text)}, out);
  return wrong;
}

std::string replaced_text(const Held& replacement) {
  return of(replacement).from;
}
std::string replacing_text(const Held& replacement) {
  return of(replacement).to.text();
}
std::string replacement_text(const Held& replacement) {
  return replacement ? replacement->from + " " + replacement->to.text() : "off";
}

}  // namespace sluice::control
