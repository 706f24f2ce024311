#pragma once
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "data/upstream/h1_client.h"

namespace sluice::data {

// A pod at the other end of a socket pair, whose connection (a Client) lies idle in the pool of the worker: a lease
// takes it, and nothing is dialled.
template <class Client>
class PooledPodOf {
 public:
  PooledPodOf(WorkerContext& worker, std::shared_ptr<EndpointRuntime> of, const Dial& how = {})
      : endpoint(std::move(of)) {
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0) std::abort();
    fd_ = fds[1];
    worker.pool.put(*new Client(worker, endpoint, fds[0], how));
  }
  PooledPodOf(PooledPodOf&& o) noexcept : endpoint(std::move(o.endpoint)), fd_(std::exchange(o.fd_, -1)) {}
  PooledPodOf& operator=(PooledPodOf&&) = delete;
  ~PooledPodOf() { hang_up(); }

  // What has come since the last time.
  std::string heard() {
    std::string out;
    std::array<char, 4096> room;
    for (ssize_t n; fd_ >= 0 && (n = read(fd_, room.data(), room.size())) > 0;)
      out.append(room.data(), static_cast<std::size_t>(n));
    return out;
  }
  void says(std::string_view text) {
    ASSERT_GE(fd_, 0);
    ASSERT_EQ(write(fd_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  void hang_up() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }
  // Is the other end gone?
  bool left_alone() {
    char byte;
    return fd_ < 0 || recv(fd_, &byte, 1, MSG_PEEK) == 0;
  }

  std::shared_ptr<EndpointRuntime> endpoint;

 private:
  int fd_ = -1;
};
using PooledPod = PooledPodOf<H1Client>;

}  // namespace sluice::data
