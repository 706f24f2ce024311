#include "net/http/host.h"

#include <string>

#include "base/strings.h"
#include "support.h"

// An accepted authority holds nothing that another reader could take for a list, userinfo, a path or an end of line,
// and its parts put together are the text again.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice;  // NOLINT(google-build-using-namespace)
  const auto text = fuzz::text_of(data, size);
  const auto parts = net::http::split_authority(text);
  if (!parts) {
    PROPERTY(parts.error().status == 400);
    return 0;
  }
  PROPERTY(!parts->host.empty() && parts->host.size() <= 255 && parts->port.size() <= 5);
  for (char c : text) PROPERTY(c > 0x20 && c < 0x7f);
  PROPERTY(text.find_first_of(",/@?#\\\"<>%^`{|}") == std::string_view::npos);
  for (char c : parts->port) PROPERTY(c >= '0' && c <= '9');
  const bool literal = parts->host.front() == '[';
  PROPERTY(literal ? parts->host.back() == ']' : parts->host.find_first_of(":[]") == std::string_view::npos);
  const std::string joined = std::string(parts->host) + (parts->port.empty() ? "" : ":" + std::string(parts->port));
  PROPERTY(text == joined || text == joined + ":");
  PROPERTY(net::http::same_authority(*parts, *parts, 80));
  const auto small = lower(text);
  PROPERTY(net::http::same_authority(*parts, *net::http::split_authority(small), 80));
  return 0;
}
