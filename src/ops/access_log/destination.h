#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace sluice::ops {

// Where lines go: standard output or a file. Used by the writer's thread alone; no call waits for a reader.
class LogDestination {
 public:
  LogDestination() = default;
  ~LogDestination() { close(); }
  LogDestination(const LogDestination&) = delete;
  LogDestination& operator=(const LogDestination&) = delete;

  // "-" and "/dev/stdout" are standard output. False with errno when it cannot be opened.
  bool open(const std::string& path);
  void close() noexcept;
  bool is_open() const noexcept { return fd_ >= 0; }
  int fd() const noexcept { return fd_; }
  // Bytes taken; -1 with errno (EAGAIN: wait until fd() is writable).
  long write(std::string_view first, std::string_view second) noexcept;

 private:
  enum class Kind { plain, socket, careful };
  int fd_ = -1;
  Kind kind_ = Kind::plain;
};

}  // namespace sluice::ops
