#include <optional>
#include <string>

#include "base/strings.h"
#include "net/h1/parser.h"
#include "support.h"

// A chunked body: the same result whole and in pieces, the same body as a second, naive reader finds, and nothing
// behind the end is touched.
namespace {

using namespace sluice;       // NOLINT(google-build-using-namespace)
using namespace sluice::net;  // NOLINT(google-build-using-namespace)

struct Decoded {
  std::string body;
  std::string trailers;
  std::size_t consumed = 0;
  bool done = false;
  bool refused = false;
  unsigned status = 0;
  bool operator==(const Decoded&) const = default;
};

Decoded decode(std::string_view bytes, bool whole) {
  fuzz::Pieces pieces(bytes);
  h1::ChunkedDecoder decoder;
  Decoded out;
  std::size_t have = 0;
  while (have < bytes.size() && !out.done && !out.refused) {
    have += whole ? bytes.size() : pieces.next(bytes.size() - have);
    for (;;) {
      const std::string in(bytes.substr(out.consumed, have - out.consumed));
      const auto step = decoder.step(in);
      if (!step) {
        out.refused = true;
        out.status = step.error().status;
        break;
      }
      PROPERTY(step->consumed <= in.size());
      PROPERTY(step->data.empty() ||
               (step->data.data() >= in.data() && step->data.data() + step->data.size() <= in.data() + step->consumed));
      out.body += step->data;
      out.consumed += step->consumed;
      out.done = step->done;
      if (out.done || (step->consumed == 0 && step->data.empty())) break;
    }
  }
  PROPERTY(out.done == decoder.done());
  out.trailers = decoder.trailers();
  if (out.refused) out.consumed = 0;
  return out;
}

// Takes chunks apart by searching, without states. Knows less: it judges only what the decoder accepted.
std::optional<std::string> naive(std::string_view bytes, std::size_t& used) {
  std::string body;
  const auto all = bytes.size();
  for (;;) {
    const auto end = bytes.find("\r\n");
    if (end == std::string_view::npos) return std::nullopt;
    const std::string size(bytes.substr(0, std::min(end, bytes.find(';'))));
    if (size.empty() || size.size() > 15 || size.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos)
      return std::nullopt;
    const auto length = std::stoull(size, nullptr, 16);
    bytes.remove_prefix(end + 2);
    if (length == 0) break;
    if (bytes.size() < length + 2 || bytes.substr(length, 2) != "\r\n") return std::nullopt;
    body += bytes.substr(0, length);
    bytes.remove_prefix(length + 2);
  }
  while (!bytes.starts_with("\r\n")) {
    const auto end = bytes.find("\r\n");
    if (end == std::string_view::npos) return std::nullopt;
    bytes.remove_prefix(end + 2);
  }
  used = all - bytes.size() + 2;
  return body;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = fuzz::text_of(data, size);
  const Decoded whole = decode(bytes, true);
  PROPERTY(decode(bytes, false) == whole);
  if (!whole.done) return 0;
  std::size_t used = 0;
  const auto expected = naive(bytes, used);
  PROPERTY(expected.has_value() && *expected == whole.body && used == whole.consumed);

  std::string_view lines = whole.trailers;
  while (!lines.empty()) {
    const auto end = lines.find("\r\n");
    PROPERTY(end != std::string_view::npos && end > 0);
    const auto name = lower(lines.substr(0, lines.find(": ")));
    PROPERTY(name != "content-length" && name != "transfer-encoding" && name != "host" && name != "authorization" &&
             name != "connection");
    PROPERTY(lines.substr(0, end).find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos);
    lines.remove_prefix(end + 2);
  }
  return 0;
}
