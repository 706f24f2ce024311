// An open-loop client of HTTP/1.1 (loadgen.h says what that is) for servers that may refuse: what counts is how many
// answers of 200 came within a deadline. Connections may end with an answer.
// Usage: goodput HOST PORT RATE SECONDS CONNECTIONS DEADLINE-MS TARGET     → one line of JSON
#include <sys/epoll.h>

#include <cerrno>
#include <cstdlib>
#include <deque>
#include <string>
#include <string_view>

#include "loadgen.h"

namespace {

using namespace loadgen;

struct Connection {
  int fd = -1;
  bool busy = false;
  Moment due;
  std::string in;
};

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
  std::size_t good = 0, late = 0, refused = 0, most_waiting = 0;

  const int poll = epoll_create1(EPOLL_CLOEXEC);
  std::vector<Connection> all(connections);
  std::vector<std::size_t> free;
  const auto open = [&](std::size_t i) {
    all[i] = {};
    all[i].fd = dial(port);
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
      std::fprintf(stderr, "goodput: nobody listens on port %d\n", port);
      return 1;
    }

  Pace pace(std::atof(argv[3]), std::atof(argv[4]));
  std::deque<Moment> waiting;  // due, and no connection is free
  const auto replace = [&](std::size_t i) {
    if (all[i].busy) pace.lost();
    close(all[i].fd);
    pace.reconnected();
    if (!open(i)) all[i].fd = -1;
  };
  std::vector<epoll_event> events(256);
  std::vector<char> buffer(256 * 1024);
  while (!pace.over()) {
    while (const auto due = pace.take()) waiting.push_back(*due);
    most_waiting = std::max(most_waiting, waiting.size());
    while (!waiting.empty() && !free.empty()) {
      const std::size_t i = free.back();
      free.pop_back();
      all[i].busy = true;
      all[i].due = waiting.front();
      waiting.pop_front();
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
      if (whole(c.in) == 0) continue;
      const bool well = c.in.starts_with("HTTP/1.1 200 "), busy = c.in.starts_with("HTTP/1.1 503 ");
      pace.answered(c.due, well || busy);
      refused += busy;
      if (well) ++(Clock::now() - c.due <= within ? good : late);
      const bool ends = c.in.find("\r\nConnection: close\r\n") < c.in.find("\r\n\r\n");
      c.busy = false;
      if (ends)
        replace(i);
      else
        c.in.clear(), free.push_back(i);
    }
  }
  std::printf("{\"good\": %zu, \"late\": %zu, \"refused\": %zu, \"most_waiting\": %zu, \"all\": ", good, late, refused,
              most_waiting);
  pace.report();
  std::printf("}\n");
  return 0;
}
