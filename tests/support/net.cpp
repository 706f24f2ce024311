#include "net.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace support {

Address Address::parse(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) throw std::runtime_error("no port in address: " + std::string(text));
  std::string host(text.substr(0, colon));
  const int port = std::stoi(std::string(text.substr(colon + 1)));
  if (port < 0 || port > 65535) throw std::runtime_error("bad port in address: " + std::string(text));
  Address a;
  if (host.starts_with('[') && host.ends_with(']')) {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&a.ss);
    host = host.substr(1, host.size() - 2);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(static_cast<std::uint16_t>(port));
    if (inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) != 1) throw std::runtime_error("bad address: " + host);
    a.len = sizeof *v6;
  } else {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&a.ss);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(static_cast<std::uint16_t>(port));
    if (inet_pton(AF_INET, host.c_str(), &v4->sin_addr) != 1) throw std::runtime_error("bad address: " + host);
    a.len = sizeof *v4;
  }
  return a;
}

std::string Address::text() const {
  char host[INET6_ADDRSTRLEN] = "?";
  if (ss.ss_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&ss);
    inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
    return "[" + std::string(host) + "]:" + std::to_string(ntohs(v6->sin6_port));
  }
  const auto* v4 = reinterpret_cast<const sockaddr_in*>(&ss);
  inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
  return std::string(host) + ":" + std::to_string(ntohs(v4->sin_port));
}

void set_buffers(int fd, Buffers b) {
  if (b.rcv) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &b.rcv, sizeof b.rcv);
  if (b.snd) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &b.snd, sizeof b.snd);
}

void set_nonblocking(int fd) {
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

int listen_on(const Address& at, Buffers buffers) {
  const int fd = socket(at.ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  set_buffers(fd, buffers);
  if (fd < 0 || bind(fd, reinterpret_cast<const sockaddr*>(&at.ss), at.len) != 0 || listen(fd, 4096) != 0)
    throw std::runtime_error("cannot listen on " + at.text() + ": " + std::strerror(errno));
  return fd;
}

Address bound(int fd) {
  Address a;
  a.len = sizeof a.ss;
  getsockname(fd, reinterpret_cast<sockaddr*>(&a.ss), &a.len);
  return a;
}

static int open_socket(const Address& to, int flags, Buffers buffers) {
  const int fd = socket(to.ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
  if (fd < 0) return -1;
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  set_buffers(fd, buffers);
  return fd;
}

int connect_to(const Address& to, Buffers buffers) {
  const int fd = open_socket(to, SOCK_NONBLOCK, buffers);
  if (fd < 0) return -1;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&to.ss), to.len) != 0 && errno != EINPROGRESS) {
    const int e = errno;
    close(fd);
    errno = e;
    return -1;
  }
  return fd;
}

int connect_blocking(const Address& to, int seconds, Buffers buffers) {
  const int fd = open_socket(to, 0, buffers);
  if (fd < 0) return -1;
  const timeval tv{seconds, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&to.ss), to.len) != 0) {
    const int e = errno;
    close(fd);
    errno = e;
    return -1;
  }
  return fd;
}

void set_blocking(int fd) {
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
}

void raise_descriptor_limit() {
  rlimit r{};
  if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
    r.rlim_cur = r.rlim_max;
    setrlimit(RLIMIT_NOFILE, &r);
  }
}

Loop::Loop() : epoll_(epoll_create1(EPOLL_CLOEXEC)) {}
Loop::~Loop() {
  close(epoll_);
}

void Loop::add(int fd, std::uint32_t events, Handler* h) {
  epoll_event e{};
  e.events = events;
  e.data.ptr = h;
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &e) != 0) throw std::runtime_error(std::strerror(errno));
}

void Loop::mod(int fd, std::uint32_t events, Handler* h) {
  epoll_event e{};
  e.events = events;
  e.data.ptr = h;
  epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &e);
}

void Loop::del(int fd) {
  epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
}

Loop::Timer Loop::after(std::chrono::nanoseconds d, std::function<void()> fn) {
  return timers_.emplace(Clock::now() + d, std::move(fn));
}

void Loop::run() {
  epoll_event events[256];
  while (!stopped_) {
    int wait = -1;
    if (!timers_.empty()) {
      const auto left = timers_.begin()->first - Clock::now();
      const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
      wait = ms < 0 ? 0 : ms > 1000 ? 1000 : static_cast<int>(ms);
    }
    const int n = epoll_wait(epoll_, events, 256, wait);
    for (int i = 0; i < n; ++i) {
      auto* h = static_cast<Handler*>(events[i].data.ptr);
      bool dead = false;
      for (const auto& g : graves_) dead = dead || g.get() == h;
      if (!dead) h->ready(events[i].events);
    }
    const auto now = Clock::now();
    while (!timers_.empty() && timers_.begin()->first <= now && !stopped_) {
      auto fn = std::move(timers_.begin()->second);
      timers_.erase(timers_.begin());
      fn();
    }
    graves_.clear();
  }
}

}  // namespace support
