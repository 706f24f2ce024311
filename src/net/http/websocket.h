#pragma once
#include <string_view>

namespace sluice::net::http {

// Is `accept` what a server must answer to the Sec-WebSocket-Key `key` (RFC 6455 section 4.1)?
bool accepts_websocket(std::string_view key, std::string_view accept) noexcept;

}  // namespace sluice::net::http
