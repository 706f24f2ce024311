#include "app/ask.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <string_view>

#include "net/io/socket.h"
#include "ops/admin/token_file.h"

namespace sluice::app {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kLongestAnswer = 256U << 20;

bool wait_for(int fd, short events, Clock::time_point until) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
  pollfd p{fd, events, 0};
  return left > 0 && ::poll(&p, 1, static_cast<int>(left)) == 1;
}

struct Close {
  int fd;
  ~Close() { ::close(fd); }
};

}  // namespace

std::expected<Told, std::string> ask_admin(const AdminAddress& whom, const std::string& target,
                                           std::chrono::seconds patience) {
  const auto fail = [&](std::string_view why) { return std::unexpected(fmt::format("{}: {}", whom.address, why)); };
  const auto address = net::parse_listen(whom.address.starts_with(':') ? "127.0.0.1" + whom.address : whom.address);
  if (!address) return std::unexpected("--admin " + address.error());
  std::string question = "GET " + target + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
  if (!whom.token_file.empty()) {
    const auto token = ops::read_token(whom.token_file);
    if (!token) return std::unexpected("--admin-token-file " + token.error());
    question += "Authorization: Bearer " + *token + "\r\n";
  }
  question += "\r\n";
  const auto until = Clock::now() + patience;
  const int fd = net::connect_to(*address);
  if (fd < 0) return fail(std::strerror(errno));
  const Close at_the_end{fd};
  std::size_t sent = 0;
  while (sent < question.size() && wait_for(fd, POLLOUT, until)) {
    const auto n = ::send(fd, question.data() + sent, question.size() - sent, MSG_NOSIGNAL);
    if (n < 0) return fail(std::strerror(errno));
    sent += static_cast<std::size_t>(n);
  }
  std::string answer;
  bool ended = false;
  const auto part = std::make_unique<char[]>(256U << 10);
  while (!ended && answer.size() < kLongestAnswer && wait_for(fd, POLLIN, until)) {
    const auto n = ::recv(fd, part.get(), 256U << 10, 0);
    if (n < 0) return fail(std::strerror(errno));
    answer.append(part.get(), static_cast<std::size_t>(n));
    ended = n == 0;
  }
  if (!ended && answer.size() >= kLongestAnswer) return fail("the answer is longer than 256 MiB");
  if (!ended || answer.empty()) return fail(fmt::format("no answer within {} s", patience.count()));
  const auto head = answer.find("\r\n\r\n");
  constexpr std::string_view kVersion = "HTTP/1.1 ";
  Told told;
  const char* digits = answer.data() + kVersion.size();
  if (head == std::string::npos || !answer.starts_with(kVersion) ||
      std::from_chars(digits, digits + 3, told.status).ptr != digits + 3)
    return fail("what answers there speaks no HTTP/1.1");
  told.body = answer.substr(head + 4);
  return told;
}

}  // namespace sluice::app
