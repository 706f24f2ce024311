#pragma once
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

// Sockets: addresses, listening, connecting. No waiting here.
namespace sluice::net {

// Of IPv4 or IPv6: nothing else is served or dialled, and one is kept for each endpoint.
struct SocketAddress {
  union {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6{};
  };
  socklen_t size = 0;
  static constexpr socklen_t kRoom = sizeof(sockaddr_in6);
  sa_family_t family() const noexcept { return any.sa_family; }
  const sockaddr* get() const noexcept { return &any; }
  sockaddr* get() noexcept { return &any; }
  std::uint16_t port() const noexcept;
  // "10.0.0.1" or "2001:db8::1"; IPv4-mapped addresses as IPv4. Without port.
  std::string address() const;
  std::string text() const;  // with port, brackets around IPv6
};

// An address literal (with or without brackets) and a port.
std::expected<SocketAddress, std::string> make_address(std::string_view literal, std::uint16_t port);
// "ADDR:PORT", "[ADDR]:PORT", ":PORT" (every address, dual-stack where IPv6 exists).
std::expected<SocketAddress, std::string> parse_listen(std::string_view text);

// Whom a listening socket shares its address with: nobody at first, as another process that listens there is an error,
// but with those of this user that are bound `shared` from then on; or with all of this user that do likewise.
enum class Binding { first, shared };
// A listening, non-blocking socket with SO_REUSEPORT; on error a sentence with the address and the cause.
std::expected<int, std::string> listen_on(const SocketAddress& address, int backlog, Binding binding);
// A bound, non-blocking socket for datagrams with SO_REUSEPORT, which tells for each where it was sent to
// (IP_PKTINFO, IPV6_PKTINFO); on error likewise.
std::expected<int, std::string> take_datagrams(const SocketAddress& address, Binding binding);
SocketAddress local_address(int fd);
// A non-blocking socket whose connect has begun; -1 with errno set.
int connect_to(const SocketAddress& address) noexcept;
// Is the address one of this machine's by its routing table, be it on no interface? Sends nothing.
bool is_local(const SocketAddress& address);
void no_delay(int fd) noexcept;
// Raises the soft limit of descriptors to the hard one and returns it.
std::uint64_t raise_descriptor_limit() noexcept;

}  // namespace sluice::net
