#pragma once
#include <unistd.h>

#include <utility>

namespace sluice {

// Owns an open file descriptor, or none (-1), and closes it whichever way its scope is left: where memory is short, any
// allocation may leave it (base/reserve.h).
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) noexcept : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  // The caller's from now on.
  int release() noexcept { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

}  // namespace sluice
