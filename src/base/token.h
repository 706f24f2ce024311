#pragma once
#include <array>
#include <string_view>

// RFC 9110's token (section 5.6.2): what methods, names of fields, codings and parameters are made of.
namespace sluice {

inline constexpr std::array<bool, 256> kTokenBytes = [] {
  std::array<bool, 256> out{};
  for (unsigned c = '0'; c <= '9'; ++c) out[c] = true;
  for (unsigned c = 'a'; c <= 'z'; ++c) out[c] = out[c - 32] = true;
  for (const char c : std::string_view("!#$%&'*+-.^_`|~")) out[static_cast<unsigned char>(c)] = true;
  return out;
}();

constexpr bool is_token_byte(char c) noexcept {
  return kTokenBytes[static_cast<unsigned char>(c)];
}

constexpr bool is_token(std::string_view s) noexcept {
  for (const char c : s)
    if (!is_token_byte(c)) return false;
  return !s.empty();
}

}  // namespace sluice
