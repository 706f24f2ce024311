#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

// ASCII helpers. Nothing here looks at the locale.
namespace sluice {

constexpr char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

inline std::string lower(std::string_view s) {
  std::string out(s);
  for (char& c : out) c = lower(c);
  return out;
}

constexpr bool iequals(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (lower(a[i]) != lower(b[i])) return false;
  return true;
}

// Does "*.example.com" stand for this host? Of one label, as in certificates and rules of an Ingress (RFC 6125 section
// 6.4.3). Both in lower case.
constexpr bool wildcard_matches(std::string_view pattern, std::string_view host) noexcept {
  if (!pattern.starts_with("*.")) return false;
  const auto dot = host.find('.');
  return dot != std::string_view::npos && dot > 0 && host.substr(dot) == pattern.substr(1);
}

// Without leading and trailing SP and HTAB (the OWS of RFC 9110 section 5.6.3).
constexpr std::string_view trim(std::string_view s) noexcept {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

// Calls fn(element) for each non-empty, trimmed element of a comma-separated list.
template <class F>
constexpr void for_each_element(std::string_view list, F&& fn) {
  while (!list.empty()) {
    auto comma = list.find(',');
    auto element = trim(list.substr(0, comma));
    if (!element.empty()) fn(element);
    if (comma == std::string_view::npos) break;
    list.remove_prefix(comma + 1);
  }
}

// Without bytes of `blanks` at both ends.
constexpr std::string_view trim_of(std::string_view s, std::string_view blanks) noexcept {
  const auto first = s.find_first_not_of(blanks);
  return first == std::string_view::npos ? std::string_view{} : s.substr(first, s.find_last_not_of(blanks) + 1 - first);
}
// Blanks and the ends of lines.
inline constexpr std::string_view kBlank = " \t\r\n";
// White space as Go's strings.TrimSpace knows it, of ASCII.
constexpr std::string_view trim_space(std::string_view s) noexcept {
  return trim_of(s, " \t\r\n\v\f");
}

// Nothing but ASCII letters, digits and `marks`.
constexpr bool made_of(std::string_view s, std::string_view marks) noexcept {
  for (const char c : s) {
    const bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!alnum && marks.find(c) == std::string_view::npos) return false;
  }
  return true;
}

// At most five digits, and no more than 65535: the port of an authority, which may be empty (RFC 3986 section 3.2.3).
constexpr bool is_port(std::string_view s) noexcept {
  if (s.size() > 5) return false;
  unsigned value = 0;
  for (const char c : s) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + static_cast<unsigned>(c - '0');
  }
  return value <= 65535;
}

// "a", then "a, b".
inline void add_element(std::string& list, std::string_view element) {
  if (!list.empty()) list += ", ";
  list += element;
}

// As for_each_element, where white space of any kind, the ends of lines included, stands between elements as a comma
// does.
template <class F>
constexpr void for_each_word(std::string_view list, F&& fn) {
  constexpr std::string_view kBetween = ", \t\r\n\v\f";
  for (;;) {
    const auto begin = list.find_first_not_of(kBetween);
    if (begin == std::string_view::npos) return;
    list.remove_prefix(begin);
    const auto word = list.substr(0, list.find_first_of(kBetween));
    fn(word);
    list.remove_prefix(word.size());
  }
}

// Size of the well-formed UTF-8 sequence at the start of `s` (Unicode, table 3-7), 0 when there is none.
constexpr std::size_t utf8_length(std::string_view s) noexcept {
  const auto at = [&](std::size_t i) { return i < s.size() ? static_cast<unsigned char>(s[i]) : 0u; };
  const auto tail = [&](std::size_t i) { return (at(i) & 0xc0u) == 0x80u; };
  const unsigned a = at(0), b = at(1);
  if (s.empty()) return 0;
  if (a < 0x80) return 1;
  if (a >= 0xc2 && a <= 0xdf) return tail(1) ? 2 : 0;
  if (a >= 0xe0 && a <= 0xef) return tail(1) && tail(2) && !(a == 0xe0 && b < 0xa0) && !(a == 0xed && b > 0x9f) ? 3 : 0;
  if (a >= 0xf0 && a <= 0xf4)
    return tail(1) && tail(2) && tail(3) && !(a == 0xf0 && b < 0x90) && !(a == 0xf4 && b > 0x8f) ? 4 : 0;
  return 0;
}

// Lets unordered_map<std::string, …> be asked with a string_view, without a copy.
struct StringHash {
  using is_transparent = void;
  // Were it noexcept, libstdc++ would compute it again of each text that it walks past, in place of keeping it there.
  std::size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
};
template <class V>
using StringMap = std::unordered_map<std::string, V, StringHash, std::equal_to<>>;

}  // namespace sluice
