#pragma once
#include <string>
#include <string_view>

#include "base/regex.h"
#include "base/variables.h"
#include "data/exchange/request_view.h"
#include "data/exchange/response_fields.h"

// What templates come to for a request.
namespace sluice::data {

// How text of the request is written into what is made.
enum class Spelling : std::uint8_t {
  raw,      // as it is: for logs, which escape it themselves
  field,    // into a head: controls are percent-encoded, CR, LF and NUL among them
  url,      // into an URL: whatever no URL may hold is percent-encoded
  target,   // into the target of a request: likewise, and '#', behind which no request goes on
  path,     // into a path, as net::http::append_escaped has it
  segment,  // likewise, as net::http::append_spelled has it
};

// Appends the value of a variable of base/variables.h; nothing when it has none, or not yet. Allocates nothing but room
// in `out`. `fields`: of the response, as far as they are made; null: none is. Returns whether it has one, be it empty.
bool append_value(const RequestView& request, Variable variable, Spelling spelling, std::string& out,
                  const ResponseFields* fields = nullptr);

// Appends what `text` comes to. Literal text stands as it is. `groups`: $1 to $9; null: they are empty. `fields`: as
// above.
void evaluate(const Template& text, const RequestView& request, Spelling spelling, std::string& out,
              const Regex::Captures* groups = nullptr, Spelling of_groups = Spelling::field,
              const ResponseFields* fields = nullptr);

// The value of a field: what `text` comes to, without blanks around it, as no field has any (RFC 9110 section 5.5) and
// HTTP/2 takes a message for malformed that does (RFC 9113 section 8.2.1). Made in `room`, which is empty, and valid
// for as long as that stays. `groups`: as above.
std::string_view field_value(const Template& text, const RequestView& request, std::string& room,
                             const Regex::Captures* groups = nullptr);
// The same for a field of a response.
std::string_view field_value(const Template& text, const RequestView& request, const ResponseFields& fields,
                             std::string& room);

}  // namespace sluice::data
