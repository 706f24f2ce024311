#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

// The one normalisation of paths, for matching only; what goes upstream is the target as received
// (docs/life-of-a-request.md).
namespace sluice::net::http {

// Writes the normalised path of `target` (origin-form; the query, from the first '?', is cut off) to `out`, which must
// hold target.size() bytes, and returns its view. Percent-decodes once, resolves "." and "..", merges slashes, as nginx
// does for locations: "/x%2F..%2Fadmin" → "/admin". When nothing has to change the result is a view into `target` and
// out is not touched. Errors (400): not starting with '/', a bad escape, %00, climbing above the root.
Result<std::string_view> normalise_path(std::string_view target, char* out);

// Why two readers may take the path of `target` (origin-form, well-formed escapes) for different ones, as a literal;
// null when they agree. docs/paths.md lists the spellings and who reads them how.
const char* ambiguity(std::string_view target) noexcept;

// Appends the one spelling of a normalised path: what RFC 3986 section 3.3 allows in a segment stands as it is, the
// semicolon excepted, all else is percent-encoded. Normalising the result gives `path` again.
void append_spelled(std::string_view path, std::string& out);

// Appends text of a normalised path as nginx spells it: blanks, controls, bytes above ASCII and "#%?<>\^`{|} are
// percent-encoded, all else stands as it is.
void append_escaped(std::string_view path, std::string& out);

}  // namespace sluice::net::http
