#include <string>

#include "net/h1/parser.h"
#include "strict_reader.h"
#include "support.h"

// A pod's response head: the same answer however it arrives, every refusal a 502, and framing that agrees with a second
// reader.
namespace {

using namespace sluice;       // NOLINT(google-build-using-namespace)
using namespace sluice::net;  // NOLINT(google-build-using-namespace)

std::size_t find(std::string_view bytes, const h1::HeadLimits& limits, bool whole, bool& refused) {
  fuzz::Pieces pieces(bytes);
  h1::HeadScan scan;
  for (std::size_t have = 0; have < bytes.size();) {
    have += whole ? bytes.size() : pieces.next(bytes.size() - have);
    const std::string copy(bytes.substr(0, have));
    const auto found = h1::find_head(copy, scan, limits, false);
    if (!found) {
      PROPERTY(found.error().status == 502 && found.error().whose == Whose::upstream);
      refused = true;
      return 0;
    }
    PROPERTY(scan.skip == 0);
    if (*found) return *found;
  }
  return 0;
}

void judge(const fuzz::StrictHead& strict, const http::ResponseHead& head, bool to_head) {
  PROPERTY(head.status >= 100 && head.status <= 599);
  PROPERTY(strict.count("content-length") + strict.count("transfer-encoding") <= 1);
  const bool bodiless = to_head || head.status < 200 || head.status == 204 || head.status == 304;
  if (bodiless) {
    PROPERTY(head.framing == http::Framing::none);
  } else if (strict.count("transfer-encoding")) {
    PROPERTY(lower(strict.value("transfer-encoding")) == "chunked" && head.framing == http::Framing::chunked &&
             head.minor == 1);
  } else if (strict.count("content-length")) {
    PROPERTY(fuzz::strict_number(strict.value("content-length")) && head.framing == http::Framing::length);
    PROPERTY(std::stoull(std::string(strict.value("content-length"))) == head.content_length);
  } else {
    PROPERTY(head.framing == http::Framing::until_close && !head.keep_alive);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = fuzz::text_of(data, size);
  h1::HeadLimits limits;
  limits.request_line = 256;
  limits.field_line = 256;
  limits.head = 1024;
  limits.fields = 20;
  bool refused_whole = false;
  bool refused_pieces = false;
  const auto length = find(bytes, limits, true, refused_whole);
  PROPERTY(find(bytes, limits, false, refused_pieces) == length && refused_whole == refused_pieces);
  if (length == 0) return 0;

  static auto* head = new http::ResponseHead;
  const std::string block(bytes.substr(0, length));
  for (const auto method : {http::Method::get, http::Method::head}) {
    const auto parsed = h1::parse_response(block, limits, method, *head);
    if (!parsed) {
      PROPERTY(parsed.error().status == 502 && parsed.error().whose == Whose::upstream);
      return 0;
    }
    const auto strict = fuzz::read_strictly(block);
    PROPERTY(strict.has_value());
    judge(*strict, *head, method == http::Method::head);
    for (const auto& f : head->fields.all())
      PROPERTY(f.drop || (f.id != http::Name::connection && f.id != http::Name::transfer_encoding));
  }
  return 0;
}
