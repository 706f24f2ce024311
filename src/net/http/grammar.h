#pragma once
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/result.h"
#include "base/strings.h"
#include "base/token.h"
#include "net/http/message.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

// Classes of bytes and rules of values that every version of HTTP shares (RFC 9110).
namespace sluice::net::http {

inline constexpr std::size_t kMostMethod = 32;

// Bits of a byte of a field name (RFC 9110 section 5.6.2). 0: not a token character.
enum : std::uint8_t {
  kPlain = 1,       // letters, digits, '-'
  kUnderscore = 2,  // may be mistaken for '-' by pods that build CGI names
  kOdd = 4,         // the other token characters
};

inline constexpr std::array<std::uint8_t, 256> kToken = [] {
  std::array<std::uint8_t, 256> t{};
  for (unsigned c = 0; c < t.size(); ++c)
    if (kTokenBytes[c]) t[c] = kOdd;
  for (unsigned c = '0'; c <= '9'; ++c) t[c] = kPlain;
  for (unsigned c = 'a'; c <= 'z'; ++c) t[c] = t[c - 32] = kPlain;
  t['-'] = kPlain;
  t['_'] = kUnderscore;
  return t;
}();

// A table of the letters, the digits and `marks`.
constexpr std::array<bool, 256> letters_digits_and(std::string_view marks) noexcept {
  std::array<bool, 256> t{};
  for (unsigned c = '0'; c <= '9'; ++c) t[c] = true;
  for (unsigned c = 'a'; c <= 'z'; ++c) t[c] = t[c - 32] = true;
  for (const char c : marks) t[static_cast<std::uint8_t>(c)] = true;
  return t;
}

// Bytes that may stand in a request target: visible ASCII without '#'.
inline constexpr std::array<bool, 256> kTarget = [] {
  std::array<bool, 256> t{};
  for (unsigned c = 0x21; c < 0x7f; ++c) t[c] = true;
  t['#'] = false;
  return t;
}();

constexpr std::uint8_t byte(char c) noexcept {
  return static_cast<std::uint8_t>(c);
}
constexpr bool is_control(char c) noexcept {
  return byte(c) < 0x20 || c == 0x7f;
}
constexpr bool is_space(char c) noexcept {
  return c == ' ' || c == '\t';
}
constexpr bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

using sluice::is_token;

// The first control byte (below 0x20, or DEL) of [p, end), or end.
inline const char* find_control(const char* p, const char* end) noexcept {
#ifdef __SSE2__
  const __m128i highest = _mm_set1_epi8(0x1f);
  const __m128i del = _mm_set1_epi8(0x7f);
  for (; end - p >= 16; p += 16) {
    const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(v, highest), v);
    const auto hits = static_cast<unsigned>(_mm_movemask_epi8(_mm_or_si128(low, _mm_cmpeq_epi8(v, del))));
    if (hits != 0) return p + std::countr_zero(hits);
  }
#endif
  while (p != end && !is_control(*p)) ++p;
  return p;
}

constexpr bool is_hex(char c) noexcept {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// 1*DIGIT up to 2^63-1 (RFC 9110 section 8.6). Also takes leading zeros off `text`, so that it can be sent on.
inline bool read_length(std::string_view& text, std::uint64_t& out) noexcept {
  if (text.empty()) return false;
  std::uint64_t value = 0;
  for (char c : text) {
    if (!is_digit(c)) return false;
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (value > (static_cast<std::uint64_t>(INT64_MAX) - digit) / 10) return false;
    value = value * 10 + digit;
  }
  while (text.size() > 1 && text.front() == '0') text.remove_prefix(1);
  out = value;
  return true;
}

inline std::unexpected<Error> refuse(std::uint16_t status, const char* why) noexcept {
  const Fault fault = status == 414 || status == 431                                     ? Fault::too_large
                      : status == 405 || status == 417 || status == 501 || status == 505 ? Fault::unsupported
                                                                                         : Fault::malformed;
  return std::unexpected(Error{fault, Whose::downstream, Retry::no, status, why});
}

// A path that cannot be decoded can be matched by nobody; a query is for the pod to judge.
inline Status check_escapes(std::string_view path_query) noexcept {
  if (!std::memchr(path_query.data(), '%', path_query.size())) return {};
  const auto path = path_query.substr(0, path_query.find('?'));
  for (auto i = path.find('%'); i != std::string_view::npos; i = path.find('%', i + 3)) {
    if (i + 2 >= path.size() || !is_hex(path[i + 1]) || !is_hex(path[i + 2]))
      return refuse(400, "path: a percent sign without two hexadecimal digits");
    if (path[i + 1] == '0' && path[i + 2] == '0') return refuse(400, "path: an encoded NUL");
  }
  return {};
}

// The Expect fields of a request: a list (RFC 9110 section 10.1.1), whose empty elements say nothing. One element is
// understood, and once.
struct Expectations {
  bool to_continue = false, others = false;
  void add(std::string_view value) noexcept {
    for_each_element(value, [this](std::string_view e) {
      const bool understood = !to_continue && iequals(e, "100-continue");
      (understood ? to_continue : others) = true;
    });
  }
};

}  // namespace sluice::net::http
