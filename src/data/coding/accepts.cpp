#include "data/coding/accepts.h"

#include <algorithm>

#include "base/strings.h"

namespace sluice::data {

namespace {

constexpr std::size_t kNotThere = std::string_view::npos;

std::size_t find_in_any_case(std::string_view text, std::string_view token, std::size_t from) noexcept {
  for (; from + token.size() <= text.size(); ++from)
    if (iequals(text.substr(from, token.size()), token)) return from;
  return kNotThere;
}

// Is `text`, behind the "q=", a weight above 0? Digits are added up, which is what tells 1.001 from 1.
bool weighs(std::string_view text) noexcept {
  const auto ends = [](char c) { return c == ',' || c == ' '; };
  if (text.empty() || (text[0] != '0' && text[0] != '1')) return false;
  int sum = (text[0] - '0') * 100;
  if (text.size() == 1 || ends(text[1])) return sum != 0;
  if (text[1] != '.') return false;
  int digits = 0;
  for (std::size_t i = 2; i < text.size() && !ends(text[i]); ++i, ++digits) {
    if (text[i] < '0' || text[i] > '9') return false;
    sum += text[i] - '0';
  }
  return sum != 0 && sum <= 100 && digits <= 3;
}

}  // namespace

bool accepts_gzip(std::string_view value) noexcept {
  constexpr std::string_view kToken = "gzip";
  std::size_t at = 0;
  for (std::size_t from = 0;; from = at + kToken.size()) {
    at = find_in_any_case(value, kToken, from);
    if (at == kNotThere) return false;
    // Where the look began anew counts as a beginning, too.
    if (at == from || value[at - 1] == ',' || value[at - 1] == ' ') break;
  }
  auto rest = value.substr(at + kToken.size());
  const auto skip_blanks = [&] { rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size())); };
  skip_blanks();
  if (rest.empty() || rest[0] == ',') return true;
  if (rest[0] != ';') return false;
  rest.remove_prefix(1);
  skip_blanks();
  if (rest.empty()) return true;
  if (lower(rest[0]) != 'q' || rest.size() < 3 || rest[1] != '=') return false;
  return weighs(rest.substr(2));
}

bool accepts(std::string_view value, std::string_view token) noexcept {
  const auto at = [&](std::size_t i) { return i < value.size() ? value[i] : '\0'; };
  for (std::size_t i = 0;;) {
    i = find_in_any_case(value, token, i);
    if (i == kNotThere) return false;
    const char before = i == 0 ? ' ' : value[i - 1];
    i += token.size();
    const char after = i == value.size() ? ' ' : value[i];
    if ((before == ',' || before == ' ') && (after == ',' || after == ' ' || after == ';')) {
      const auto next = [&](char c) {
        while (at(i) == ' ') ++i;
        return at(i++) == c;
      };
      if (!next(';') || !next('q') || !next('=') || !next('0')) return true;
      if (at(i) != '.') return false;
      // 0.000 is a no, as is what has fewer digits; the first that is not 0 decides.
      for (const std::size_t end = i + 3; ++i <= end;)
        if (at(i) < '0' || at(i) > '9')
          return false;
        else if (at(i) > '0')
          return true;
      return false;
    }
  }
}

}  // namespace sluice::data
