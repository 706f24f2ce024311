// What the clients of this folder have in common: when a request is due, and what became of it.
//
// In an open loop requests are due at a constant rate whatever the answers do, and a latency counts from the moment the
// request was due, so that a stall is not hidden by the requests that were never sent (coordinated omission). In a
// closed loop (rate 0) the next one is due as soon as somebody can send it. One thread; times are of CLOCK_MONOTONIC.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <optional>
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

}  // namespace loadgen
