#pragma once
#include <cstdint>
#include <optional>
#include <string>

namespace sluice::control {

// An endpoint for a Service without EndpointSlices: --endpoint NS/SERVICE:PORT=ADDRESS:PORT.
struct ExtraEndpoint {
  std::string cluster;  // "NS/SERVICE:PORT", the port by number or name
  std::string address;  // an IPv4 or IPv6 literal, without brackets; "localhost" was 127.0.0.1
  std::uint16_t port = 0;
};
inline constexpr const char* kEndpointForm = "NS/SERVICE:PORT=ADDRESS:PORT";

// Nothing when `text` has another form.
std::optional<ExtraEndpoint> read_extra_endpoint(const std::string& text);

}  // namespace sluice::control
