// An open-loop client of HTTP/1.1 (loadgen.h says what that is).
// Usage: openloop HOST PORT RATE SECONDS CONNECTIONS BODY-BYTES [REQUESTS]     → one line of JSON
// REQUESTS is a file of whole requests without bodies, one after the other, which are sent in turn.
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

#include "loadgen.h"

namespace {

std::vector<std::string> requests_of(const char* path) {
  std::ifstream file(path);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  std::vector<std::string> out;
  for (std::size_t at = 0, end; (end = text.find("\r\n\r\n", at)) != std::string::npos; at = end + 4)
    out.push_back(text.substr(at, end + 4 - at));
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7 && argc != 8) {
    std::fprintf(stderr, "usage: openloop HOST PORT RATE SECONDS CONNECTIONS BODY-BYTES [REQUESTS]\n");
    return 2;
  }
  std::vector<std::string> requests{std::string("GET /items HTTP/1.1\r\nHost: ") + argv[1] +
                                    "\r\nUser-Agent: openloop\r\n\r\n"};
  if (argc == 8) requests = requests_of(argv[7]);
  if (requests.empty()) {
    std::fprintf(stderr, "openloop: %s holds no request\n", argv[7]);
    return 2;
  }
  const int port = std::atoi(argv[2]);
  const auto connections = static_cast<std::size_t>(std::atoi(argv[5]));
  const auto body = static_cast<std::size_t>(std::atoi(argv[6]));

  loadgen::Clients clients(port, connections);
  if (!clients.connect()) {
    std::fprintf(stderr, "openloop: nobody listens on port %d\n", port);
    return 1;
  }
  loadgen::Pace pace(std::atof(argv[3]), std::atof(argv[4]));
  std::size_t next = 0;
  clients.run(
      pace, [&] { return std::string_view(requests[next++ % requests.size()]); },
      [&](std::string_view in, loadgen::Moment) -> std::optional<loadgen::Clients::Answer> {
        const auto head = in.find("\r\n\r\n");
        if (head == std::string_view::npos || in.size() < head + 4 + body) return std::nullopt;
        return loadgen::Clients::Answer{in.starts_with("HTTP/1.1 200 ") && in.size() == head + 4 + body};
      });
  return pace.report();
}
