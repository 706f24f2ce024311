#include "base/read_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/descriptor.h"

namespace sluice {

std::expected<std::string, std::string> read_file(const std::string& path, std::size_t most) {
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return std::unexpected(std::strerror(errno));
  std::string out;
  int error = 0;
  char piece[64 * 1024];
  while (out.size() <= most) {
    const ssize_t n = ::read(fd.get(), piece, sizeof piece);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) error = errno;
    if (n <= 0) break;
    out.append(piece, static_cast<std::size_t>(n));
  }
  if (error != 0) return std::unexpected(std::strerror(error));
  if (out.size() > most) return std::unexpected("more than " + std::to_string(most) + " bytes");
  return out;
}

}  // namespace sluice
