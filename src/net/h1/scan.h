#pragma once
#include <array>
#include <bit>
#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "net/http/message.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

// What the parsers of this folder share: classes of bytes and the reader of one field line. Not for others.
namespace sluice::net::h1 {

// Bits of a byte of a field name (RFC 9110 section 5.6.2). 0: not a token character.
enum : std::uint8_t {
  kPlain = 1,       // letters, digits, '-'
  kUnderscore = 2,  // may be mistaken for '-' by pods that build CGI names
  kOdd = 4,         // the other token characters
};

inline constexpr std::array<std::uint8_t, 256> kToken = [] {
  std::array<std::uint8_t, 256> t{};
  for (unsigned char c : std::string_view("!#$%&'*+.^`|~")) t[c] = kOdd;
  for (unsigned c = '0'; c <= '9'; ++c) t[c] = kPlain;
  for (unsigned c = 'a'; c <= 'z'; ++c) t[c] = t[c - 32] = kPlain;
  t['-'] = kPlain;
  t['_'] = kUnderscore;
  return t;
}();

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

constexpr bool is_token(std::string_view s) noexcept {
  if (s.empty()) return false;
  for (char c : s)
    if (kToken[byte(c)] == 0) return false;
  return true;
}

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

// Reads one field line at `p`, in a block that is known to end with CRLF at `end`. Returns the start of the next line,
// or null with `why` set. `seen` gets the classes of the name's bytes; out.id and out.drop are left to the caller.
inline const char* read_field(const char* p, const char* end, http::Field& out, unsigned& seen,
                              const char*& why) noexcept {
  const char* name = p;
  unsigned classes = 0;
  while (const unsigned c = kToken[byte(*p)]) {  // CR is no token character, so this ends inside the block
    classes |= c;
    ++p;
  }
  if (*p != ':' || p == name) {
    why = is_space(*name) ? "field: a folded line, or white space before the first field"
                          : "field: no name that is a token followed by a colon";
    return nullptr;
  }
  seen = classes;
  out.name = {name, static_cast<std::size_t>(p - name)};
  for (++p; is_space(*p);) ++p;
  const char* value = p;
  while (*(p = find_control(p, end)) == '\t') ++p;
  if (*p != '\r' || p[1] != '\n') {
    why = *p == '\n'   ? "field: a line that ends with LF alone"
          : *p == '\r' ? "field: a CR that no LF follows"
                       : "field: a control byte in a value";
    return nullptr;
  }
  const char* value_end = p;
  while (value_end != value && is_space(value_end[-1])) --value_end;
  out.value = {value, static_cast<std::size_t>(value_end - value)};
  return p + 2;
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

inline std::unexpected<Error> refuse_upstream(const char* why, Fault fault = Fault::malformed) noexcept {
  return std::unexpected(Error{fault, Whose::upstream, Retry::no, 502, why});
}

}  // namespace sluice::net::h1
