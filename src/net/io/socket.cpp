#include "net/io/socket.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>

namespace sluice::net {

std::uint16_t SocketAddress::port() const noexcept {
  return ntohs(family() == AF_INET6 ? v6.sin6_port : v4.sin_port);
}

std::string SocketAddress::address() const {
  char text[INET6_ADDRSTRLEN] = "";
  if (family() == AF_INET6) {
    const in6_addr& a = v6.sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&a))
      inet_ntop(AF_INET, &a.s6_addr[12], text, sizeof text);
    else
      inet_ntop(AF_INET6, &a, text, sizeof text);
  } else {
    inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
  }
  return text;
}

std::string SocketAddress::text() const {
  const auto a = address();
  return a.find(':') == std::string::npos ? fmt::format("{}:{}", a, port()) : fmt::format("[{}]:{}", a, port());
}

std::expected<SocketAddress, std::string> make_address(std::string_view literal, std::uint16_t port) {
  if (literal.size() >= 2 && literal.front() == '[' && literal.back() == ']')
    literal = literal.substr(1, literal.size() - 2);
  const std::string text(literal);
  SocketAddress out;
  in_addr v4;
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) {
    out.v4 = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = v4, .sin_zero = {}};
    out.size = sizeof out.v4;
    return out;
  }
  if (inet_pton(AF_INET6, text.c_str(), &out.v6.sin6_addr) == 1) {
    out.v6.sin6_family = AF_INET6;
    out.v6.sin6_port = htons(port);
    out.size = sizeof out.v6;
    return out;
  }
  return std::unexpected(fmt::format("\"{}\" is not an IPv4 or IPv6 address", text));
}

std::expected<SocketAddress, std::string> parse_listen(std::string_view text) {
  const auto colon = text.rfind(':');
  const auto port_text = colon == std::string_view::npos ? text : text.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, ec] = std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
  if (ec != std::errc{} || end != port_text.data() + port_text.size())
    return std::unexpected(
        fmt::format("\"{}\": the port \"{}\" is not a number from 0 to 65535; expected ADDR:PORT, [ADDR]:PORT or :PORT",
                    text, port_text));
  const auto host = colon == std::string_view::npos ? std::string_view{} : text.substr(0, colon);
  if (host.empty() || host == "*") {
    const int probe = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe >= 0) close(probe);
    return make_address(probe >= 0 ? "::" : "0.0.0.0", port);
  }
  auto address = make_address(host, port);
  if (!address)
    return std::unexpected(fmt::format("\"{}\": {}; expected ADDR:PORT, [ADDR]:PORT or :PORT", text, address.error()));
  return address;
}

namespace {

std::unexpected<std::string> cannot(const char* what, const SocketAddress& address, int fd) {
  const int code = errno;
  if (fd >= 0) close(fd);
  return std::unexpected(fmt::format("cannot {} {}: {}", what, address.text(), std::strerror(code)));
}

void share(int fd) noexcept {
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
}

std::expected<int, std::string> bound(const SocketAddress& address, int type, Binding binding) {
  const int fd = socket(address.family(), type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return cannot("create a socket for", address, fd);
  const int on = 1, off = 0;
  if (type == SOCK_STREAM) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (binding == Binding::shared) share(fd);
  if (address.family() == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  if (bind(fd, address.get(), address.size) < 0) return cannot("bind", address, fd);
  return fd;
}

}  // namespace

std::expected<int, std::string> listen_on(const SocketAddress& address, int backlog, Binding binding) {
  const auto fd = bound(address, SOCK_STREAM, binding);
  if (!fd) return fd;
  if (listen(*fd, backlog) < 0) return cannot("listen on", address, *fd);
  // The port is ours alone now; only from here on may others of ours join.
  if (binding == Binding::first) share(*fd);
  return fd;
}

std::expected<int, std::string> take_datagrams(const SocketAddress& address, Binding binding) {
  const auto fd = bound(address, SOCK_DGRAM, binding);
  if (!fd) return fd;
  const int on = 1;
  if (address.family() == AF_INET6)
    setsockopt(*fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
  else
    setsockopt(*fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
  if (binding == Binding::first) share(*fd);
  return fd;
}

SocketAddress local_address(int fd) {
  SocketAddress a;
  a.size = a.kRoom;
  getsockname(fd, a.get(), &a.size);
  return a;
}

int connect_to(const SocketAddress& address) noexcept {
  const int fd = socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  no_delay(fd);
  if (connect(fd, address.get(), address.size) == 0 || errno == EINPROGRESS) return fd;
  const int code = errno;
  close(fd);
  errno = code;
  return -1;
}

bool is_local(const SocketAddress& address) {
  const int fd = socket(address.family(), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  bool local = false;
  if (connect(fd, address.get(), address.size) == 0) local = local_address(fd).address() == address.address();
  close(fd);
  return local;
}

void no_delay(int fd) noexcept {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

std::uint64_t raise_descriptor_limit() noexcept {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

}  // namespace sluice::net
