// A client of WebSockets that get back what they send. Each connection has one message under way.
// Usage: messages HOST PORT PATH RATE SECONDS CONNECTIONS BYTES     → one line of JSON; RATE 0 is a closed loop
// (loadgen.h)
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "loadgen.h"

namespace {

// The handshake; what the pod makes of the key is not looked at here but in the check before.
bool upgraded(int fd, const std::string& request) {
  if (send(fd, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size())) return false;
  std::string in;
  char byte;
  while (!in.ends_with("\r\n\r\n")) {
    if (recv(fd, &byte, 1, 0) != 1) return false;
    in += byte;
  }
  return in.starts_with("HTTP/1.1 101 ");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 8) {
    std::fprintf(stderr, "usage: messages HOST PORT PATH RATE SECONDS CONNECTIONS BYTES\n");
    return 2;
  }
  const int port = std::atoi(argv[2]);
  const auto connections = static_cast<std::size_t>(std::atoi(argv[6]));
  const auto bytes = static_cast<std::size_t>(std::atoi(argv[7]));
  if (bytes < 126 || bytes > 65535) {
    std::fprintf(stderr, "messages: BYTES is 126 to 65535\n");  // one form of the length for all frames
    return 2;
  }
  const std::string request = std::string("GET ") + argv[3] + " HTTP/1.1\r\nHost: " + argv[1] +
                              "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  std::string frame{'\x82', '\xfe', static_cast<char>(bytes >> 8), static_cast<char>(bytes & 255)};
  const std::string mask{'\x37', '\x0a', '\x21', '\x3d'}, plain(bytes, 'm');
  frame += mask;
  for (std::size_t i = 0; i < bytes; ++i) frame += static_cast<char>(plain[i] ^ mask[i % 4]);
  const std::string wanted =
      std::string{'\x82', '\x7e', static_cast<char>(bytes >> 8), static_cast<char>(bytes & 255)} + plain;

  loadgen::Clients clients(port, connections, [&](int fd) { return upgraded(fd, request); });
  if (!clients.connect()) {
    std::fprintf(stderr, "messages: no WebSocket at port %d\n", port);
    return 1;
  }
  loadgen::Pace pace(std::atof(argv[4]), std::atof(argv[5]));
  clients.run(
      pace, [&] { return std::string_view(frame); },
      [&](std::string_view in, loadgen::Moment) -> std::optional<loadgen::Clients::Answer> {
        if (in.size() < wanted.size()) return std::nullopt;
        return loadgen::Clients::Answer{in == wanted};
      });
  return pace.report();
}
