#include "data/upstream/dial.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "data/runtime/worker_context.h"

namespace sluice::data {

namespace {

bool takes_datagrams_everywhere(const model::OwnListeners& own, std::uint16_t port) noexcept {
  return std::ranges::any_of(own.datagrams, [&](const auto& l) { return l.port == port && l.any(); });
}

// The end of the connection where the other machine acknowledges nothing for so long (tcp(7)): neither what it was sent
// nor, once it is silent, a probe. Pods that take their time acknowledge at once.
void watch_peer(int fd, Duration patience) noexcept {
  const auto ms = static_cast<unsigned>(std::chrono::ceil<std::chrono::milliseconds>(patience).count());
  const int seconds = static_cast<int>(std::max<unsigned>(ms / 2000, 1)), on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof ms);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof seconds);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &seconds, sizeof seconds);
  ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

}  // namespace

bool leads_to_us(WorkerContext& worker, const EndpointRuntime& endpoint, model::Transport by) {
  const auto& address = endpoint.address;
  const auto* own = worker.view()->snapshot().own.get();
  const bool datagrams = by == model::Transport::udp;
  if (!own || !(datagrams ? own->has_datagram_port(address.port()) : own->has_port(address.port()))) return false;
  const auto ip = model::read_ip(address.address());
  if (!ip) return false;
  // A route may make an address ours that no interface has: those of a cloud's load balancers, for one.
  if (datagrams)
    return own->reached_by_datagrams(*ip, address.port()) ||
           (takes_datagrams_everywhere(*own, address.port()) && net::is_local(address));
  if (endpoint.question && own->takes_requests(*ip, address.port())) return false;
  return own->reached(*ip, address.port()) || (own->everywhere(address.port()) && net::is_local(address));
}

Result<int> open_socket(WorkerContext& worker, const EndpointRuntime& endpoint) {
  if (!endpoint.takes) return std::unexpected(kPodGoes);
  if (leads_to_us(worker, endpoint)) {
    worker.stats.own_refused.add();
    return std::unexpected(
        Error{Fault::connect_refused, Whose::upstream, Retry::yes, 503, "the endpoint is a listener of this process"});
  }
  worker.stats.upstream_connects.add();
  int fd = net::connect_to(endpoint.address);
  if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
    worker.pool.close_everything();  // idle ones are the cheapest descriptors to give up
    fd = net::connect_to(endpoint.address);
    if (fd < 0) {
      worker.stats.shed_requests.add();
      return std::unexpected(Error{Fault::overload, Whose::internal, Retry::no, 503, "out of descriptors"});
    }
  }
  if (fd >= 0) {
    if (worker.shared.overload.is_crowded(0, fd)) [[unlikely]]
      worker.shared.overload.look();
    if (const auto patience = worker.options().upstream_tcp_user_timeout; patience.count() != 0)
      watch_peer(fd, patience);
    return fd;
  }
  worker.stats.upstream_connect_failures.add();
  return std::unexpected(Error{Fault::connect_refused, Whose::upstream, Retry::yes, 0, "connect refused"});
}

net::Task<Status> dial(WorkerContext& worker, net::Stream& stream, Dial how, Instant until, std::string& note) {
  Status connected = co_await stream.connected(until);
  if (connected && !how.proxy_header.empty()) {
    const iovec part{how.proxy_header.data(), how.proxy_header.size()};
    if (!stream.write_now({&part, 1})) connected = co_await stream.finish_write(until - worker.loop.now());
  }
  if (connected && how.tls) {
    auto context = worker.client_tls(how.tls, note);
    if (!context)
      co_return std::unexpected(
          Error{Fault::tls, Whose::upstream, Retry::no, 502, "the upstream TLS settings cannot be used"});
    auto session = net::tls::Session::client(context, stream.fd(), how.tls->server_name, how.tls->send_sni, how.alpn);
    if (!session)
      co_return std::unexpected(Error{Fault::overload, Whose::internal, Retry::no, 503, "no memory for TLS"});
    stream.start_tls(std::move(session));
    connected = co_await stream.handshake(until);
    if (!connected) note = stream.tls()->error();
  }
  if (connected || connected.error().retry == Retry::elsewhere) co_return connected;
  worker.stats.upstream_connect_failures.add();
  Error why = connected.error();
  why.whose = Whose::upstream;
  if (why.fault != Fault::cancelled) why.retry = Retry::yes;  // nothing of the request was sent
  co_return std::unexpected(why);
}

}  // namespace sluice::data
