// An open-loop client of HTTP/1.1 (loadgen.h says what that is).
// Usage: openloop HOST PORT RATE SECONDS CONNECTIONS BODY-BYTES [REQUESTS]     → one line of JSON
// REQUESTS is a file of whole requests without bodies, one after the other, which are sent in turn.
#include <sys/epoll.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "loadgen.h"

namespace {

struct Connection {
  int fd = -1;
  bool busy = false;
  loadgen::Moment due;
  std::string in;
};

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

  const int poll = epoll_create1(EPOLL_CLOEXEC);
  std::vector<Connection> all(connections);
  std::vector<std::size_t> free;
  const auto open = [&](std::size_t i) {
    all[i] = {};
    all[i].fd = loadgen::dial(port);
    if (all[i].fd < 0) return false;
    epoll_event e{};
    e.events = EPOLLIN;
    e.data.u64 = i;
    epoll_ctl(poll, EPOLL_CTL_ADD, all[i].fd, &e);
    free.push_back(i);
    return true;
  };
  for (std::size_t i = 0; i < connections; ++i)
    if (!open(i)) {
      std::fprintf(stderr, "openloop: nobody listens on port %d\n", port);
      return 1;
    }

  loadgen::Pace pace(std::atof(argv[3]), std::atof(argv[4]));
  const auto replace = [&](std::size_t i) {  // a connection that ended; its request failed
    if (all[i].busy) pace.lost();
    close(all[i].fd);
    pace.reconnected();
    if (!open(i)) all[i].fd = -1;
  };

  std::vector<epoll_event> events(256);
  std::vector<char> buffer(256 * 1024);
  std::size_t next = 0;
  while (!pace.over()) {
    while (!free.empty()) {
      const auto due = pace.take();
      if (!due) break;
      const std::size_t i = free.back();
      free.pop_back();
      all[i].busy = true;
      all[i].due = *due;
      const std::string& request = requests[next++ % requests.size()];
      if (send(all[i].fd, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size()))
        replace(i);
    }
    const timespec wait = pace.patience();
    const int n = epoll_pwait2(poll, events.data(), static_cast<int>(events.size()), &wait, nullptr);
    for (int k = 0; k < n; ++k) {
      const std::size_t i = events[static_cast<std::size_t>(k)].data.u64;
      Connection& c = all[i];
      const ssize_t got = recv(c.fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (got < 0 && errno == EAGAIN) continue;
      if (got <= 0 || !c.busy) {
        std::erase(free, i);
        replace(i);
        continue;
      }
      c.in.append(buffer.data(), static_cast<std::size_t>(got));
      const auto head = c.in.find("\r\n\r\n");
      if (head == std::string::npos || c.in.size() < head + 4 + body) continue;
      pace.answered(c.due, c.in.starts_with("HTTP/1.1 200 ") && c.in.size() == head + 4 + body);
      c.in.clear();
      c.busy = false;
      free.push_back(i);
    }
  }
  return pace.report();
}
