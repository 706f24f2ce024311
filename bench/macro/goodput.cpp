// An open-loop client: requests leave at a constant rate whatever the answers do, and a latency counts from the moment
// the request was due, so that a stall is not hidden by the requests that were never sent (coordinated omission).
// Usage: goodput HOST-HEADER PORT RATE SECONDS CONNECTIONS BODY-BYTES DEADLINE-MS [TARGET]     → one line of JSON. Answers may be others than
// 200, and connections may end with one; "good" are those of 200 within the deadline.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::duration;
using std::chrono::nanoseconds;

struct Connection {
  int fd = -1;
  bool busy = false;
  Clock::time_point due;
  std::string in;
};

int dial(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_port = htons(static_cast<std::uint16_t>(port));
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<sockaddr*>(&a), sizeof a) != 0) {
    close(fd);
    return -1;
  }
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

double cpu_seconds() {
  rusage u{};
  getrusage(RUSAGE_SELF, &u);
  const auto s = [](timeval t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6; };
  return s(u.ru_utime) + s(u.ru_stime);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 8 || argc > 9) {
    std::fprintf(stderr, "usage: goodput HOST PORT RATE SECONDS CONNECTIONS BODY-BYTES DEADLINE-MS [TARGET]\n");
    return 2;
  }
  const std::string request = std::string("GET ") + (argc == 9 ? argv[8] : "/items") + " HTTP/1.1\r\nHost: " + argv[1] +
                              "\r\nUser-Agent: goodput\r\n\r\n";
  const int port = std::atoi(argv[2]);
  const double rate = std::atof(argv[3]), seconds = std::atof(argv[4]);
  const auto connections = static_cast<std::size_t>(std::atoi(argv[5]));
  const auto body = static_cast<std::size_t>(std::atoi(argv[6]));
  const double within = argc > 7 ? std::atof(argv[7]) : 0;  // milliseconds; 0: all are to be well
  std::size_t good = 0, late = 0, refused = 0;

  const int poll = epoll_create1(EPOLL_CLOEXEC);
  std::vector<Connection> all(connections);
  std::vector<std::size_t> free;
  std::size_t errors = 0, reconnects = 0;
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
      std::fprintf(stderr, "openloop: nobody listens on port %d\n", port);
      return 1;
    }

  const auto total = static_cast<std::size_t>(rate * seconds);
  std::vector<std::uint32_t> latency;  // in units of 100 ns
  latency.reserve(total);
  std::deque<Clock::time_point> waiting;  // due, and no connection is free
  std::size_t most_waiting = 0, scheduled = 0;
  const auto begun = Clock::now();
  const auto due_of = [&](std::size_t n) {
    return begun + nanoseconds(static_cast<std::int64_t>(1e9 / rate * static_cast<double>(n)));
  };
  const auto deadline = begun + nanoseconds(static_cast<std::int64_t>(seconds * 1e9)) + std::chrono::seconds(10);

  const auto replace = [&](std::size_t i) {  // a connection that ended; its request failed
    if (all[i].busy) ++errors, latency.push_back(UINT32_MAX);
    close(all[i].fd);
    ++reconnects;
    if (!open(i)) all[i].fd = -1;
  };
  const auto send_one = [&](Clock::time_point due) {
    const std::size_t i = free.back();
    free.pop_back();
    all[i].busy = true;
    all[i].due = due;
    if (send(all[i].fd, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size()))
      replace(i);
  };

  std::vector<epoll_event> events(256);
  std::vector<char> buffer(256 * 1024);
  while (latency.size() < total && Clock::now() < deadline) {
    auto now = Clock::now();
    while (scheduled < total && due_of(scheduled) <= now) waiting.push_back(due_of(scheduled++));
    most_waiting = std::max(most_waiting, waiting.size());
    while (!waiting.empty() && !free.empty()) {
      send_one(waiting.front());
      waiting.pop_front();
    }
    timespec wait{0, 20'000'000};
    if (scheduled < total) {
      const auto left = std::max<std::int64_t>(0, duration_cast<nanoseconds>(due_of(scheduled) - Clock::now()).count());
      wait = {left / 1'000'000'000, left % 1'000'000'000};
    }
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
      if (within > 0) {
        if (head == std::string::npos) continue;
        const auto field = c.in.find("Content-Length: ");
        const std::size_t length = field < head ? std::strtoul(c.in.c_str() + field + 16, nullptr, 10) : 0;
        if (c.in.size() < head + 4 + length) continue;
        const auto took = duration_cast<nanoseconds>(Clock::now() - c.due).count() / 100;
        latency.push_back(static_cast<std::uint32_t>(std::min<std::int64_t>(took, UINT32_MAX - 1)));
        const bool well = c.in.starts_with("HTTP/1.1 200 ");
        refused += c.in.starts_with("HTTP/1.1 503 ");
        errors += !well && !c.in.starts_with("HTTP/1.1 503 ");
        if (well) ++(static_cast<double>(took) <= within * 1e4 ? good : late);
        const auto says_close = c.in.find("\r\nConnection: close\r\n");
        c.busy = false;
        if (says_close < head)
          replace(i);
        else
          c.in.clear(), free.push_back(i);
        continue;
      }
      if (head == std::string::npos || c.in.size() < head + 4 + body) continue;
      if (!c.in.starts_with("HTTP/1.1 200 ") || c.in.size() != head + 4 + body) ++errors;
      const auto took = duration_cast<nanoseconds>(Clock::now() - c.due).count() / 100;
      latency.push_back(static_cast<std::uint32_t>(std::min<std::int64_t>(took, UINT32_MAX - 1)));
      c.in.clear();
      c.busy = false;
      free.push_back(i);
    }
  }
  errors += total - latency.size();
  const double took = duration<double>(Clock::now() - begun).count();
  std::sort(latency.begin(), latency.end());
  const auto at = [&](double q) {
    if (latency.empty()) return -1.0;
    return latency[std::min(latency.size() - 1, static_cast<std::size_t>(q * static_cast<double>(latency.size())))] /
           10.0;
  };
  if (within > 0) {
    std::printf(
        "{\"rate\": %.0f, \"asked\": %zu, \"good\": %zu, \"late\": %zu, \"refused\": %zu, \"errors\": %zu, "
        "\"reconnects\": "
        "%zu, \"p50_ms\": %.1f, \"p99_ms\": %.1f, \"most_waiting\": %zu, \"client_cpu\": %.2f}\n",
        rate, total, good, late, refused, errors, reconnects, at(0.5) / 1000, at(0.99) / 1000, most_waiting,
        cpu_seconds() / took);
    return 0;
  }
  std::printf(
      "{\"rate\": %.0f, \"answered\": %zu, \"errors\": %zu, \"reconnects\": %zu, \"p50_us\": %.1f, \"p99_us\": %.1f, "
      "\"p999_us\": %.1f, \"max_us\": %.1f, \"most_waiting\": %zu, \"client_cpu\": %.2f}\n",
      rate, latency.size(), errors, reconnects, at(0.5), at(0.99), at(0.999), at(1.0), most_waiting,
      cpu_seconds() / took);
  return errors == 0 ? 0 : 1;
}
