#include "data/proxy/grpc.h"

#include <string>

#include "base/base64.h"
#include "data/filter/grpc_web.h"
#include "support.h"

// What of gRPC is read from peers: timeouts, statuses, and the base64 of gRPC-Web, which means the same however it is
// cut into pieces.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice;        // NOLINT(google-build-using-namespace)
  using namespace sluice::data;  // NOLINT(google-build-using-namespace)
  const auto text = fuzz::text_of(data, size);

  if (const auto timeout = read_grpc_timeout(text)) {
    PROPERTY(text.size() >= 2 && text.size() <= 9);
    PROPERTY(timeout->count() >= 0 && *timeout <= std::chrono::hours(24 * 366));
  }
  const int status = find_grpc_status(text);
  PROPERTY(status >= -1 && status <= 999);
  if (is_grpc(text)) PROPERTY(text.size() >= 16);

  const std::size_t step = size == 0 ? 1 : data[0] % 7 + 1;
  std::string whole, cut;
  Base64Pieces at_once, in_pieces;
  const bool good = at_once.decode(text, true, whole);
  bool also = true;
  for (std::size_t at = 0; also && at < text.size(); at += step)
    also = in_pieces.decode(text.substr(at, step), at + step >= text.size(), cut);
  if (text.empty()) return 0;
  PROPERTY(good == also);
  PROPERTY(!good || whole == cut);
  if (const auto strict = decode_base64(text); strict && text.find_first_of("\r\n\t ") == std::string_view::npos)
    PROPERTY(good && whole == *strict);
  return 0;
}
