// A client of WebSockets that get back what they send. Each connection has one message under way.
// Usage: messages HOST PORT PATH RATE SECONDS CONNECTIONS BYTES     → one line of JSON; RATE 0 is a closed loop
// (loadgen.h)
#include <sys/epoll.h>

#include <cerrno>
#include <cstdlib>
#include <string>

#include "loadgen.h"

namespace {

struct Connection {
  int fd = -1;
  bool busy = false;
  loadgen::Moment due;
  std::string in;
};

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

  const int poll = epoll_create1(EPOLL_CLOEXEC);
  std::vector<Connection> all(connections);
  std::vector<std::size_t> free;
  const auto open = [&](std::size_t i) {
    all[i] = {};
    all[i].fd = loadgen::dial(port);
    if (all[i].fd < 0) return false;
    if (!upgraded(all[i].fd, request)) {
      close(all[i].fd);
      all[i].fd = -1;
      return false;
    }
    epoll_event e{};
    e.events = EPOLLIN;
    e.data.u64 = i;
    epoll_ctl(poll, EPOLL_CTL_ADD, all[i].fd, &e);
    free.push_back(i);
    return true;
  };
  for (std::size_t i = 0; i < connections; ++i)
    if (!open(i)) {
      std::fprintf(stderr, "messages: no WebSocket at port %d\n", port);
      return 1;
    }

  loadgen::Pace pace(std::atof(argv[4]), std::atof(argv[5]));
  const auto replace = [&](std::size_t i) {
    if (all[i].busy) pace.lost();
    close(all[i].fd);
    pace.reconnected();
    open(i);
  };
  std::vector<epoll_event> events(256);
  std::vector<char> buffer(64 * 1024);
  while (!pace.over()) {
    while (!free.empty()) {
      const auto due = pace.take();
      if (!due) break;
      const std::size_t i = free.back();
      free.pop_back();
      all[i].busy = true;
      all[i].due = *due;
      if (send(all[i].fd, frame.data(), frame.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(frame.size())) replace(i);
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
      if (c.in.size() < wanted.size()) continue;
      pace.answered(c.due, c.in == wanted);
      c.in.clear();
      c.busy = false;
      free.push_back(i);
    }
  }
  return pace.report();
}
