#include <memory>
#include <string>

#include "net/fcgi/head.h"
#include "net/fcgi/record.h"
#include "net/http/grammar.h"
#include "support.h"

// What a FastCGI pod sends: the same answer however it arrives, every refusal a 502, and no more is taken for its
// output than the bytes that came.
namespace {

using namespace sluice;       // NOLINT(google-build-using-namespace)
using namespace sluice::net;  // NOLINT(google-build-using-namespace)

struct Told {
  std::string out, err;
  bool refused = false, ended = false;
  bool operator==(const Told&) const = default;
};

Told tell_apart(std::string_view bytes, bool whole) {
  fuzz::Pieces pieces(bytes);
  fcgi::Reader reader;
  Told told;
  for (std::size_t at = 0; at < bytes.size() && !reader.ended();) {
    const auto size = whole ? bytes.size() - at : pieces.next(bytes.size() - at);
    const std::string copy(bytes.substr(at, size));
    at += size;
    for (std::size_t taken = 0; taken < copy.size() && !reader.ended();) {
      const std::string_view some = std::string_view(copy).substr(taken);
      const auto step = reader.step(some);
      if (!step) {
        PROPERTY(step.error().status == 502 && step.error().whose == Whose::upstream);
        told.refused = true;
        return told;
      }
      PROPERTY(step->consumed > 0 && step->consumed <= some.size());
      PROPERTY(step->out.empty() || step->err.empty());
      for (const auto piece : {step->out, step->err})
        PROPERTY(piece.empty() ||
                 (piece.data() >= some.data() && piece.data() + piece.size() <= some.data() + step->consumed));
      told.out += step->out;
      told.err += step->err;
      taken += step->consumed;
    }
  }
  told.ended = reader.ended();
  return told;
}

std::size_t find(std::string_view bytes, const fcgi::HeadLimits& limits, bool whole, bool& refused) {
  fuzz::Pieces pieces(bytes);
  fcgi::HeadScan scan;
  for (std::size_t have = 0; have < bytes.size();) {
    have += whole ? bytes.size() : pieces.next(bytes.size() - have);
    const std::string copy(bytes.substr(0, have));
    const auto found = fcgi::find_head(copy, scan, limits);
    if (!found) {
      PROPERTY(found.error().status == 502 && found.error().whose == Whose::upstream);
      refused = true;
      return 0;
    }
    PROPERTY(*found <= limits.head);
    if (*found) return *found;
  }
  return 0;
}

void judge(std::string_view block, const http::ResponseHead& head, bool to_head) {
  PROPERTY(head.status >= 200 && head.status <= 599);
  PROPERTY((head.framing == http::Framing::none) == (to_head || head.status == 204 || head.status == 304));
  std::size_t lengths = 0;
  for (const auto& f : head.fields.all()) {
    for (const auto part : {f.name, f.value}) {
      PROPERTY(part.empty() ||
               (part.data() >= block.data() && part.data() + part.size() <= block.data() + block.size()));
      for (const char c : part) PROPERTY(!http::is_control(c) || c == '\t');
    }
    PROPERTY(!f.name.empty() && f.name.find_first_of(" :\t") == std::string_view::npos);
    lengths += f.id == http::Name::content_length ? 1 : 0;
    PROPERTY(f.drop || !http::hop_by_hop(f.id));
    if (head.framing == http::Framing::length) PROPERTY(f.drop || f.id != http::Name::content_length);
  }
  PROPERTY(lengths <= 1 && (head.framing != http::Framing::length || lengths == 1));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = fuzz::text_of(data, size);
  const Told told = tell_apart(bytes, true);
  PROPERTY(tell_apart(bytes, false).refused == told.refused);
  if (!told.refused) PROPERTY(tell_apart(bytes, false) == told);
  PROPERTY(told.out.size() + told.err.size() <= bytes.size());

  fcgi::HeadLimits limits;
  limits.head = 256;
  limits.fields = 10;
  // Heads are looked for in the bytes themselves too: else few inputs come so far.
  for (const std::string& text : {told.out, std::string(bytes)}) {
    bool refused_whole = false, refused_pieces = false;
    const auto length = find(text, limits, true, refused_whole);
    PROPERTY(find(text, limits, false, refused_pieces) == length && refused_whole == refused_pieces);
    if (length == 0) continue;
    static auto* head = new http::ResponseHead;
    const std::string_view block = std::string_view(text).substr(0, length);
    for (const auto method : {http::Method::get, http::Method::head}) {
      const auto parsed = fcgi::parse_head(block, limits, method, *head);
      if (!parsed) {
        PROPERTY(parsed.error().status == 502 && parsed.error().whose == Whose::upstream);
        break;
      }
      judge(block, *head, method == http::Method::head);
    }
  }
  return 0;
}
