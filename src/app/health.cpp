#include "app/health.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <expected>
#include <iostream>
#include <string>
#include <string_view>

#include "app/terminal.h"
#include "net/io/socket.h"

namespace sluice::app {
namespace {

using Clock = std::chrono::steady_clock;

bool wait_for(int fd, short events, Clock::time_point until) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
  pollfd p{fd, events, 0};
  return left > 0 && ::poll(&p, 1, static_cast<int>(left)) == 1;
}

// The whole answer, or as much as came in time; or why there is none.
std::expected<std::string, std::string> ask(int fd, Clock::time_point until) {
  constexpr std::string_view question = "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  if (wait_for(fd, POLLOUT, until) && ::send(fd, question.data(), question.size(), MSG_NOSIGNAL) < 0)
    return std::unexpected(std::strerror(errno));
  std::string answer;
  char part[1024];
  while (answer.size() < 64 * sizeof part && wait_for(fd, POLLIN, until)) {
    const auto n = ::recv(fd, part, sizeof part, 0);
    if (n <= 0) break;
    answer.append(part, static_cast<std::size_t>(n));
  }
  if (answer.empty()) return std::unexpected(fmt::format("no answer within {} s", kHealthPatience.count()));
  return answer;
}

}  // namespace

int health(const std::string& admin) {
  const auto address = net::parse_listen(admin.starts_with(':') ? "127.0.0.1" + admin : admin);
  if (!address) return refuse("--admin " + address.error());
  const int fd = net::connect_to(*address);
  if (fd < 0) return refuse(admin + ": " + std::strerror(errno), 1);
  const auto answer = ask(fd, Clock::now() + kHealthPatience);
  ::close(fd);
  if (!answer) return refuse(admin + ": " + answer.error(), 1);
  const auto head = answer->find("\r\n\r\n");
  // Whoever answers there: a page is a line.
  std::string_view page =
      head == std::string::npos ? std::string_view(*answer) : std::string_view(*answer).substr(head + 4);
  if (page.ends_with('\n')) page.remove_suffix(1);
  if (!page.empty()) print_line(std::cout, page);
  return answer->starts_with("HTTP/1.1 200 ") ? 0 : 1;
}

}  // namespace sluice::app
