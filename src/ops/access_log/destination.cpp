#include "ops/access_log/destination.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace sluice::ops {

bool LogDestination::open(const std::string& path) {
  close();
  if (path != "-" && path != "/dev/stdout") {
    fd_ = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0644);
    kind_ = Kind::plain;
    return fd_ >= 0;
  }
  struct stat about{};
  if (::fstat(STDOUT_FILENO, &about) != 0) return false;
  if (S_ISSOCK(about.st_mode)) {
    kind_ = Kind::socket;
    fd_ = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    return fd_ >= 0;
  }
  if (S_ISREG(about.st_mode)) {
    kind_ = Kind::plain;
    fd_ = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    return fd_ >= 0;
  }
  // A pipe or terminal is shared with others, who may not expect it to be non-blocking: an open file of our own.
  kind_ = Kind::plain;
  fd_ = ::open("/proc/self/fd/1", O_WRONLY | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd_ >= 0) return true;
  // Not allowed (it belongs to another user): then small writes after poll() says that they fit.
  kind_ = Kind::careful;
  fd_ = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  return fd_ >= 0;
}

void LogDestination::close() noexcept {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

long LogDestination::write(std::string_view first, std::string_view second) noexcept {
  if (kind_ == Kind::careful) {
    pollfd ready{fd_, POLLOUT, 0};
    if (::poll(&ready, 1, 0) <= 0) {
      errno = EAGAIN;
      return -1;
    }
    return ::write(fd_, first.data(), std::min<std::size_t>(first.size(), PIPE_BUF));
  }
  iovec parts[2] = {{const_cast<char*>(first.data()), first.size()}, {const_cast<char*>(second.data()), second.size()}};
  const int count = second.empty() ? 1 : 2;
  if (kind_ == Kind::plain) return ::writev(fd_, parts, count);
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = static_cast<std::size_t>(count);
  return ::sendmsg(fd_, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

}  // namespace sluice::ops
