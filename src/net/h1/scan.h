#pragma once
#include <string_view>

#include "net/http/grammar.h"

// What the parsers of this folder share: the reader of one field line. Not for others.
namespace sluice::net::h1 {

using http::byte;
using http::find_control;
using http::is_control;
using http::is_digit;
using http::is_space;
using http::is_token;
using http::kOdd;
using http::kPlain;
using http::kTarget;
using http::kToken;
using http::kUnderscore;
using http::read_length;
using http::refuse;

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

inline std::unexpected<Error> refuse_upstream(const char* why, Fault fault = Fault::malformed) noexcept {
  return std::unexpected(Error{fault, Whose::upstream, Retry::no, 502, why});
}

}  // namespace sluice::net::h1
