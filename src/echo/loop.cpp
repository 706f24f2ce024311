#include "echo/loop.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace sluice::echo {

namespace {
// Listeners and connections share one epoll set; the lowest bit of the pointer tells them apart.
constexpr std::uintptr_t kListener = 1;
constexpr std::size_t kBuffer = 64 * 1024;

std::coroutine_handle<> take(std::coroutine_handle<>& h) {
  return std::exchange(h, nullptr);
}
}  // namespace

Loop::Loop() : epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  if (epoll_ < 0) {
    std::perror("epoll_create1");
    std::abort();
  }
}

Loop::~Loop() {
  close(epoll_);
}

void Loop::listen(int fd, std::function<void(int)> accept) {
  auto& l = listeners_.try_emplace(fd, Listener{fd, std::move(accept)}).first->second;
  epoll_event e{};
  e.events = EPOLLIN | EPOLLEXCLUSIVE;
  e.data.u64 = reinterpret_cast<std::uintptr_t>(&l) | kListener;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &e);
}

void Loop::watch(int fd, Watch& w) {
  epoll_event e{};
  e.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  e.data.ptr = &w;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &e);
}

void Loop::accept_all(Listener& l) {
  // A few a turn, so that the other loops get their share.
  for (int i = 0; i < 16; ++i) {
    int fd = accept4(l.fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EMFILE || errno == ENFILE) usleep(10'000);  // nothing better to do than wait for a close
      return;
    }
    l.accept(fd);
  }
}

void Loop::run() {
  epoll_event events[256];
  for (;;) {
    int timeout = -1;
    if (!timers.empty()) {
      auto left = std::chrono::ceil<Millis>(timers.begin()->first - Clock::now()).count();
      timeout = static_cast<int>(std::clamp<long>(left, 0, 60'000));
    }
    int n = epoll_wait(epoll_, events, 256, timeout);
    for (int i = 0; i < n; ++i) {
      auto tagged = static_cast<std::uintptr_t>(events[i].data.u64);
      if (tagged & kListener) {
        accept_all(*reinterpret_cast<Listener*>(tagged & ~kListener));
        continue;
      }
      // A resumed coroutine may end its connection, so every handle is taken before the first one runs; a stream has
      // at most one of them set.
      auto& w = *static_cast<Watch*>(events[i].data.ptr);
      auto what = events[i].events;
      bool gone = (what & (EPOLLHUP | EPOLLERR | EPOLLRDHUP)) != 0;
      std::coroutine_handle<> next;
      if (gone) w.peer_left = true;
      if ((what & EPOLLIN) || gone) {
        w.readable = true;
        if (w.reader) next = take(w.reader);
      }
      if ((what & EPOLLOUT) || (what & (EPOLLHUP | EPOLLERR))) {
        w.writable = true;
        if (!next && w.writer) next = take(w.writer);
      }
      if (!next && gone && w.sleeper) next = take(w.sleeper);
      if (next) next.resume();
    }
    while (!timers.empty() && timers.begin()->first <= Clock::now()) {
      auto h = timers.begin()->second;
      timers.erase(timers.begin());
      h.resume();
    }
  }
}

struct Stream::Ready {
  bool& flag;
  std::coroutine_handle<>& slot;
  bool await_ready() const noexcept { return flag; }
  void await_suspend(std::coroutine_handle<> h) noexcept { slot = h; }
  void await_resume() const noexcept {}
};

struct Stream::Sleep {
  Stream& s;
  Millis time;
  Loop::Timers::iterator timer{};
  bool await_ready() const noexcept { return s.watch_.peer_left || time.count() <= 0; }
  void await_suspend(std::coroutine_handle<> h) {
    timer = s.loop_.timers.emplace(Clock::now() + time, h);
    armed = true;
    s.watch_.sleeper = h;
  }
  bool await_resume() {
    // Woken by the socket: the slot is empty and the timer still there. Woken by the timer: the other way round.
    if (armed && !s.watch_.sleeper) s.loop_.timers.erase(timer);
    s.watch_.sleeper = nullptr;
    return !s.watch_.peer_left;
  }
  bool armed = false;
};

Stream::Stream(Loop& loop, int fd, SSL* ssl) : loop_(loop), fd_(fd), ssl_(ssl) {
  int one = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (ssl_) SSL_set_fd(ssl_, fd_);
  loop_.watch(fd_, watch_);
}

Stream::~Stream() {
  if (ssl_) {
    SSL_shutdown(ssl_);
    SSL_free(ssl_);
  }
  close(fd_);
}

Task<bool> Stream::handshake() {
  if (!ssl_) co_return true;
  for (;;) {
    int r = SSL_accept(ssl_);
    if (r == 1) co_return true;
    int e = SSL_get_error(ssl_, r);
    if (e == SSL_ERROR_WANT_READ) {
      watch_.readable = false;
      co_await Ready{watch_.readable, watch_.reader};
    } else if (e == SSL_ERROR_WANT_WRITE) {
      watch_.writable = false;
      co_await Ready{watch_.writable, watch_.writer};
    } else {
      co_return false;
    }
  }
}

Stream::Want Stream::try_read(char* out, std::size_t size, std::size_t& got) {
  if (ssl_) {
    int r = SSL_read(ssl_, out, static_cast<int>(std::min<std::size_t>(size, 1 << 30)));
    if (r > 0) {
      got = static_cast<std::size_t>(r);
      return Want::done;
    }
    int e = SSL_get_error(ssl_, r);
    if (e == SSL_ERROR_WANT_READ) return Want::read;
    if (e == SSL_ERROR_WANT_WRITE) return Want::write;
    return Want::over;
  }
  for (;;) {
    auto r = ::read(fd_, out, size);
    if (r > 0) {
      got = static_cast<std::size_t>(r);
      return Want::done;
    }
    if (r < 0 && errno == EINTR) continue;
    return r < 0 && errno == EAGAIN ? Want::read : Want::over;
  }
}

Stream::Want Stream::try_write(std::string_view bytes, std::size_t& sent) {
  if (ssl_) {
    int r = SSL_write(ssl_, bytes.data(), static_cast<int>(std::min<std::size_t>(bytes.size(), 1 << 30)));
    if (r > 0) {
      sent = static_cast<std::size_t>(r);
      return Want::done;
    }
    int e = SSL_get_error(ssl_, r);
    if (e == SSL_ERROR_WANT_READ) return Want::read;
    if (e == SSL_ERROR_WANT_WRITE) return Want::write;
    return Want::over;
  }
  for (;;) {
    auto r = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (r >= 0) {
      sent = static_cast<std::size_t>(r);
      return Want::done;
    }
    if (errno == EINTR) continue;
    return errno == EAGAIN ? Want::write : Want::over;
  }
}

Task<bool> Stream::fill(std::size_t limit) {
  if (begin_ == end_) begin_ = end_ = 0;
  if (buffer_.size() == end_ && begin_ > 0) {
    std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_),
              buffer_.begin() + static_cast<std::ptrdiff_t>(end_), buffer_.begin());
    end_ -= begin_;
    begin_ = 0;
  }
  if (buffer_.size() == end_) {
    if (buffer_.size() >= limit) co_return false;
    // An idle connection holds 4 KiB; one that carries bodies grows.
    buffer_.resize(
        std::min(limit, std::max<std::size_t>(4096, std::min(buffer_.size() * 4, buffer_.size() + kBuffer))));
  }
  for (;;) {
    std::size_t got = 0;
    auto want = try_read(buffer_.data() + end_, buffer_.size() - end_, got);
    if (want == Want::done) {
      end_ += got;
      // A full buffer says that more is there at a time.
      if (end_ == buffer_.size() && begin_ == 0 && buffer_.size() < kBuffer) buffer_.resize(std::min(limit, kBuffer));
      co_return true;
    }
    if (want == Want::over) co_return false;
    if (want == Want::read) {
      watch_.readable = false;
      co_await Ready{watch_.readable, watch_.reader};
    } else {
      watch_.writable = false;
      co_await Ready{watch_.writable, watch_.writer};
    }
  }
}

Task<bool> Stream::write(std::string_view bytes) {
  while (!bytes.empty()) {
    std::size_t sent = 0;
    auto want = try_write(bytes, sent);
    if (want == Want::over) co_return false;
    if (want == Want::done) {
      bytes.remove_prefix(sent);
    } else if (want == Want::read) {
      watch_.readable = false;
      co_await Ready{watch_.readable, watch_.reader};
    } else {
      watch_.writable = false;
      co_await Ready{watch_.writable, watch_.writer};
    }
  }
  co_return true;
}

Task<bool> Stream::sleep(Millis time) {
  bool there = co_await Sleep{*this, time};
  co_return there;
}

void Stream::reset_on_close() {
  linger l{1, 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &l, sizeof l);
}

std::string Stream::remote() const {
  sockaddr_storage a{};
  socklen_t len = sizeof a;
  char text[INET6_ADDRSTRLEN] = "";
  if (getpeername(fd_, reinterpret_cast<sockaddr*>(&a), &len) != 0) return "";
  if (a.ss_family == AF_INET6) {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(a);
    inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
    return "[" + std::string(text) + "]:" + std::to_string(ntohs(v6.sin6_port));
  }
  auto& v4 = reinterpret_cast<sockaddr_in&>(a);
  inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
  return std::string(text) + ":" + std::to_string(ntohs(v4.sin_port));
}

}  // namespace sluice::echo
