#include "ops/admin/token_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/descriptor.h"
#include "base/strings.h"

namespace sluice::ops {
namespace {

constexpr std::size_t kMostToken = 4096;

}  // namespace

std::expected<std::string, std::string> read_token(const std::string& path) {
  const auto refuse = [&](const std::string& why) { return std::unexpected(path + ": " + why); };
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return refuse(std::string("cannot be read: ") + std::strerror(errno) + "; expected a file with a token");
  struct stat at{};
  const bool file = ::fstat(fd.get(), &at) == 0 && S_ISREG(at.st_mode);
  std::string text(kMostToken + 2, '\0');  // a line end, and one more to see that it is too long
  std::size_t size = 0;
  ssize_t n = file ? 1 : 0;
  while (n > 0 && size < text.size()) {
    n = ::read(fd.get(), text.data() + size, text.size() - size);
    if (n > 0) size += static_cast<std::size_t>(n);
  }
  const int failed = n < 0 ? errno : 0;
  if (!file) return refuse("is no regular file; expected a file with a token");
  if (failed != 0)
    return refuse(std::string("cannot be read: ") + std::strerror(failed) + "; expected a file with a token");
  text.resize(size);

  const std::string_view token = trim_of(text, kBlank);
  if (token.empty()) return refuse("is empty; expected a token, such as `openssl rand -hex 32` prints");
  if (token.size() > kMostToken) return refuse("is larger than 4096 bytes; expected a file with a token");
  if (!std::ranges::all_of(token, [](char c) { return c > ' ' && c < 0x7f; }))
    return refuse("holds a byte that is no visible ASCII character; expected one token");
  return std::string(token);
}

bool same_token(std::string_view given, std::string_view token) noexcept {
  if (token.empty()) return false;
  volatile unsigned char differ = given.size() == token.size() ? 0 : 1;
  for (std::size_t i = 0; i < given.size(); ++i)
    differ = static_cast<unsigned char>(differ | (given[i] ^ token[i % token.size()]));
  return differ == 0;
}

}  // namespace sluice::ops
