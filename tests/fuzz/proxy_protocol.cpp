#include "net/proxy_protocol.h"

#include <string>

#include "support.h"

// PROXY headers: a verdict never changes with more bytes, never comes from bytes behind the header, and what was
// understood can be written and read again.
namespace {

using namespace sluice;                       // NOLINT(google-build-using-namespace)
using namespace sluice::net::proxy_protocol;  // NOLINT(google-build-using-namespace)

bool inside(std::string_view part, std::string_view whole) {
  return part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = fuzz::text_of(data, size);
  Header h;
  const auto whole = parse(bytes, h);
  if (!whole) {
    PROPERTY(whole.error().fault == Fault::malformed && whole.error().detail[0] != '\0');
  } else if (*whole == 0) {
    PROPERTY(size < kMaxHeader);
  } else {
    PROPERTY(*whole <= size && *whole <= (h.version == Version::v1 ? kMaxV1 : kMaxHeader));
    const auto header = bytes.substr(0, *whole);
    for (const auto part : {h.alpn, h.authority, h.unique_id, h.tls.version, h.tls.common_name, h.tls.cipher})
      PROPERTY(inside(part, header));
    Header alone;
    const auto again = parse(header, alone);
    PROPERTY(again && *again == *whole && alone.addresses == h.addresses && alone.proxied == h.proxied);
  }

  // In pieces: nothing before the end is final but a refusal, which is final for good.
  fuzz::Pieces pieces(bytes);
  for (std::size_t n = 0; n < size;) {
    n += pieces.next(size - n);
    Header part;
    const auto r = parse(bytes.substr(0, n), part);
    if (!r) {
      PROPERTY(!whole);
      break;
    }
    if (*r == 0) continue;
    PROPERTY(whole && *whole == *r && part.addresses == h.addresses && part.authority == h.authority);
    break;
  }

  if (!whole || *whole == 0 || !h.proxied) return 0;
  const Tlv tlvs[] = {{kAlpn, h.alpn}, {kAuthority, h.authority}, {kUniqueId, h.unique_id}};
  for (int form = 0; form < 3; ++form) {
    std::string out;
    form == 0 ? append_v1(out, h.addresses) : append_v2(out, h.addresses, tlvs, form == 2);
    if (out.size() > kMaxHeader) continue;  // ALPN has no bound of its own
    Header back;
    const auto r = parse(out, back);
    PROPERTY(r && *r == out.size() && back.proxied && back.addresses == h.addresses);
    PROPERTY(form == 0 || (back.alpn == h.alpn && back.authority == h.authority && back.unique_id == h.unique_id));
  }
  return 0;
}
