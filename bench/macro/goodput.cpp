// An open-loop client of HTTP/1.1 (loadgen.h says what that is) for servers that may refuse: what counts is how many
// answers of 200 came within a deadline. Connections may end with an answer.
// Usage: goodput HOST PORT RATE SECONDS CONNECTIONS DEADLINE-MS TARGET     → one line of JSON
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "loadgen.h"

namespace {

using namespace loadgen;

// The size of the response that `in` begins with; 0: it is not there yet.
std::size_t whole(std::string_view in) {
  const auto head = in.find("\r\n\r\n");
  if (head == std::string_view::npos) return 0;
  const auto field = in.find("Content-Length: ");
  const std::size_t length = field < head ? std::strtoul(in.data() + field + 16, nullptr, 10) : 0;
  return in.size() < head + 4 + length ? 0 : head + 4 + length;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 8) {
    std::fprintf(stderr, "usage: goodput HOST PORT RATE SECONDS CONNECTIONS DEADLINE-MS TARGET\n");
    return 2;
  }
  const std::string request =
      std::string("GET ") + argv[7] + " HTTP/1.1\r\nHost: " + argv[1] + "\r\nUser-Agent: goodput\r\n\r\n";
  const int port = std::atoi(argv[2]);
  const auto connections = static_cast<std::size_t>(std::atoi(argv[5]));
  const std::chrono::milliseconds within(std::atoi(argv[6]));
  std::size_t good = 0, late = 0, refused = 0;

  Clients clients(port, connections);
  if (!clients.connect()) {
    std::fprintf(stderr, "goodput: nobody listens on port %d\n", port);
    return 1;
  }
  Pace pace(std::atof(argv[3]), std::atof(argv[4]));
  clients.run(
      pace, [&] { return std::string_view(request); },
      [&](std::string_view in, Moment due) -> std::optional<Clients::Answer> {
        if (whole(in) == 0) return std::nullopt;
        const bool well = in.starts_with("HTTP/1.1 200 "), busy = in.starts_with("HTTP/1.1 503 ");
        refused += busy;
        if (well) ++(Clock::now() - due <= within ? good : late);
        return Clients::Answer{well || busy, in.find("\r\nConnection: close\r\n") < in.find("\r\n\r\n")};
      });
  std::printf("{\"good\": %zu, \"late\": %zu, \"refused\": %zu, \"all\": ", good, late, refused);
  pace.report();
  std::printf("}\n");
  return 0;
}
