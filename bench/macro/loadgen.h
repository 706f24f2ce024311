// What the clients of this folder have in common: when a request is due, and what became of it.
//
// In an open loop requests are due at a constant rate whatever the answers do, and a latency counts from the moment the
// request was due, so that a stall is not hidden by the requests that were never sent (coordinated omission). In a
// closed loop (rate 0) the next one is due as soon as somebody can send it. One thread; times are of CLOCK_MONOTONIC.
#pragma once

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
#include <cstdint>
#include <cstdio>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace loadgen {

using Clock = std::chrono::steady_clock;
using Moment = Clock::time_point;
using std::chrono::nanoseconds;

class Pace {
 public:
  Pace(double rate, double seconds)
      : rate_(rate),
        total_(rate > 0 ? static_cast<std::size_t>(rate * seconds) : 0),
        begun_(Clock::now()),
        end_(begun_ + nanoseconds(static_cast<std::int64_t>(seconds * 1e9))) {
    latency_.reserve(rate > 0 ? total_ : 1'000'000);
  }

  // When the next request was due, if one is; the caller sends it.
  std::optional<Moment> take() {
    const auto now = Clock::now();
    if (rate_ <= 0) {
      if (now >= end_) return std::nullopt;
      ++taken_;
      return now;
    }
    if (taken_ >= total_ || due_of(taken_) > now) return std::nullopt;
    return due_of(taken_++);
  }

  void answered(Moment due, bool good) {
    if (!good) ++errors_;
    const auto took = duration_cast<nanoseconds>(Clock::now() - due).count() / 100;
    latency_.push_back(static_cast<std::uint32_t>(std::min<std::int64_t>(took, UINT32_MAX - 1)));
  }
  void lost() {  // its connection ended before its answer
    ++errors_;
    latency_.push_back(UINT32_MAX);
  }
  void reconnected() { ++reconnects_; }

  // How long the caller may wait for events.
  timespec patience() const {
    if (rate_ <= 0 || taken_ >= total_) return {0, 20'000'000};
    const auto left = std::max<std::int64_t>(0, duration_cast<nanoseconds>(due_of(taken_) - Clock::now()).count());
    const auto most = std::min<std::int64_t>(left, 20'000'000);
    return {0, most};
  }

  // Everything that was due was sent and answered, or there was no answer in ten seconds.
  bool over() const {
    const auto now = Clock::now();
    if (now > end_ + std::chrono::seconds(10)) return true;
    return (rate_ > 0 ? taken_ == total_ : now >= end_) && latency_.size() == taken_;
  }

  // One line of JSON; the exit status of the program.
  int report() {
    const double took = std::chrono::duration<double>(Clock::now() - begun_).count();
    const std::size_t wanted = rate_ > 0 ? total_ : taken_;
    errors_ += wanted - std::min(wanted, latency_.size());
    std::sort(latency_.begin(), latency_.end());
    std::printf(
        "{\"rate\": %.0f, \"answered\": %zu, \"errors\": %zu, \"reconnects\": %zu, \"seconds\": %.3f, \"p50_us\": "
        "%.1f, "
        "\"p90_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": %.1f, \"client_cpu\": %.2f}\n",
        rate_, latency_.size(), errors_, reconnects_, took, at(0.5), at(0.9), at(0.99), at(0.999), at(1.0),
        cpu_seconds() / took);
    return errors_ == 0 ? 0 : 1;
  }

 private:
  Moment due_of(std::size_t n) const {
    return begun_ + nanoseconds(static_cast<std::int64_t>(1e9 / rate_ * static_cast<double>(n)));
  }
  double at(double q) const {
    if (latency_.empty()) return -1;
    const auto i = static_cast<std::size_t>(q * static_cast<double>(latency_.size()));
    return latency_[std::min(latency_.size() - 1, i)] / 10.0;
  }
  static double cpu_seconds() {
    rusage u{};
    getrusage(RUSAGE_SELF, &u);
    const auto s = [](timeval t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6; };
    return s(u.ru_utime) + s(u.ru_stime);
  }

  double rate_;
  std::size_t total_;
  Moment begun_, end_;
  std::vector<std::uint32_t> latency_;  // in units of 100 ns
  std::size_t taken_ = 0, errors_ = 0, reconnects_ = 0;
};

// A blocking connection to a port of 127.0.0.1, or -1.
inline int dial(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_port = htons(static_cast<std::uint16_t>(port));
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval patience{5, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (connect(fd, reinterpret_cast<sockaddr*>(&a), sizeof a) != 0) {
    close(fd);
    return -1;
  }
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

// Connections to a port of 127.0.0.1, each with one request under way at most.
class Clients {
 public:
  struct Answer {
    bool good = false;
    bool ends = false;  // its connection ends with it
  };
  // `begin`: what a new connection has to do before its first request; false: it is of no use. None: nothing.
  Clients(int port, std::size_t connections, std::function<bool(int fd)> begin = {})
      : port_(port), begin_(std::move(begin)), poll_(epoll_create1(EPOLL_CLOEXEC)), all_(connections) {}

  // False: nobody is there, or of no use.
  bool connect() {
    for (std::size_t i = 0; i < all_.size(); ++i)
      if (!open(i)) return false;
    return true;
  }

  // Sends what `next` says as soon as it is due and a connection is free, until `pace` is over. `read` gets what has
  // come for a request, and when that was due; nothing: it is not whole yet.
  void run(Pace& pace, const std::function<std::string_view()>& next,
           const std::function<std::optional<Answer>(std::string_view in, Moment due)>& read) {
    std::vector<epoll_event> events(256);
    std::vector<char> buffer(256 * 1024);
    while (!pace.over()) {
      send_due(pace, next);
      // While no connection is free only an answer helps: looking again and again would take the processor from whoever
      // is to give it.
      const timespec wait = free_.empty() ? timespec{0, 20'000'000} : pace.patience();
      const int n = epoll_pwait2(poll_, events.data(), static_cast<int>(events.size()), &wait, nullptr);
      for (int k = 0; k < n; ++k) {
        const std::size_t i = events[static_cast<std::size_t>(k)].data.u64;
        Connection& c = all_[i];
        const ssize_t got = recv(c.fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (got < 0 && errno == EAGAIN) continue;
        if (got <= 0 || !c.busy) {
          std::erase(free_, i);
          replace(pace, i);
          continue;
        }
        c.in.append(buffer.data(), static_cast<std::size_t>(got));
        const auto answer = read(c.in, c.due);
        if (!answer) continue;
        pace.answered(c.due, answer->good);
        c.busy = false;
        c.in.clear();
        if (answer->ends)
          replace(pace, i);
        else
          free_.push_back(i);
      }
    }
  }

 private:
  struct Connection {
    int fd = -1;
    bool busy = false;
    Moment due;
    std::string in;
  };

  bool open(std::size_t i) {
    all_[i] = {};
    const int fd = dial(port_);
    if (fd < 0) return false;
    if (begin_ && !begin_(fd)) {
      close(fd);
      return false;
    }
    all_[i].fd = fd;
    epoll_event e{};
    e.events = EPOLLIN;
    e.data.u64 = i;
    epoll_ctl(poll_, EPOLL_CTL_ADD, fd, &e);
    free_.push_back(i);
    return true;
  }
  // A connection that ended; what was under way on it is lost.
  void replace(Pace& pace, std::size_t i) {
    if (all_[i].busy) pace.lost();
    close(all_[i].fd);
    pace.reconnected();
    open(i);
  }
  void send_due(Pace& pace, const std::function<std::string_view()>& next) {
    while (!free_.empty()) {
      const auto due = pace.take();
      if (!due) return;
      const std::size_t i = free_.back();
      free_.pop_back();
      all_[i].busy = true;
      all_[i].due = *due;
      const std::string_view request = next();
      if (send(all_[i].fd, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size()))
        replace(pace, i);
    }
  }

  int port_;
  std::function<bool(int fd)> begin_;
  int poll_;
  std::vector<Connection> all_;
  std::vector<std::size_t> free_;
};

}  // namespace loadgen
