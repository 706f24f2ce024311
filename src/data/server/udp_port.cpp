#include "data/server/udp_port.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <utility>

#include "base/seconds.h"
#include "data/server/shedding.h"
#include "data/server/worker.h"
#include "data/upstream/dial.h"
#include "net/http/cidr.h"

namespace sluice::data {

namespace {

constexpr int kAtOnce = 64;                     // datagrams that are taken in a row from one socket
constexpr int kMostPods = 3;                    // that are tried where a socket to one cannot even be made
constexpr int kLastTurns = 16;                  // in a row, when a port is about to close
constexpr std::uint32_t kPortsOfLinux = 28232;  // 32768 to 60999
constexpr std::size_t kLeastSessions = 16;      // of a worker, however few places there are

void to_mapped(const in_addr& v4, std::array<std::uint8_t, 16>& out) noexcept {
  out = {};
  out[10] = out[11] = 0xff;
  std::memcpy(out.data() + 12, &v4, 4);
}

bool is_mapped(const std::array<std::uint8_t, 16>& a) noexcept {
  static constexpr std::uint8_t kPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return std::equal(std::begin(kPrefix), std::end(kPrefix), a.begin());
}

UdpClient client_of(const net::SocketAddress& from, msghdr& message) noexcept {
  UdpClient out;
  if (from.family() == AF_INET6) {
    std::memcpy(out.address.data(), &from.v6.sin6_addr, 16);
    out.interface = from.v6.sin6_scope_id;
  } else {
    to_mapped(from.v4.sin_addr, out.address);
  }
  out.port = from.port();
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
      in_pktinfo info;
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      to_mapped(info.ipi_spec_dst, out.here);
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info;
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      std::memcpy(out.here.data(), &info.ipi6_addr, 16);
    }
  }
  return out;
}

// A socket that speaks with the pod alone, so that nobody else's datagrams are taken for its answers, and ICMP says
// when nobody is there. -1, with errno: there is none.
int connect_datagrams(const net::SocketAddress& pod) noexcept {
  const int fd = socket(pod.family(), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  if (connect(fd, pod.get(), pod.size) == 0) return fd;
  const int why = errno;
  close(fd);
  errno = why;
  return -1;
}

// Another session that ends gives back what was lacking: a port (the kernel says EAGAIN where it finds none for the
// socket) or a descriptor. EADDRNOTAVAIL is none of them: it is said where no address of ours suits the pod's.
bool lacks_room(int why) noexcept {
  return why == EAGAIN || why == EMFILE || why == ENFILE;
}

}  // namespace

std::size_t most_sessions(std::uint32_t places, std::uint32_t local_ports, unsigned workers) noexcept {
  workers = std::max(1U, workers);
  return std::min(std::max<std::size_t>(places / 4 / workers, kLeastSessions),
                  std::max<std::size_t>(local_ports / 4 / workers, 1));
}

std::uint32_t local_ports() noexcept {
  std::uint32_t first = 0, last = 0;
  std::FILE* const f = std::fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
  const bool read = f != nullptr && std::fscanf(f, "%u %u", &first, &last) == 2;
  if (f != nullptr) std::fclose(f);
  return read && first <= last && last <= 0xffff ? last - first + 1 : kPortsOfLinux;
}

UdpSession::UdpSession(UdpPort& port, const UdpClient& client, const net::SocketAddress& from,
                       const StreamTarget& target, std::shared_ptr<EndpointRuntime> endpoint, int fd,
                       bool counted_address)
    : port_(port),
      client_(client),
      from_(from),
      spec_(target.spec),
      figures_(target.figures),
      endpoint_(std::move(endpoint)),
      fd_(fd),
      counted_address_(counted_address),
      begun_(port.worker_.loop.now()),
      quiet_since_(begun_) {
  endpoint_->load.begin();
  figures_->active.fetch_add(1, std::memory_order_relaxed);
  port_.worker_.entered();
  port_.all_.by_age_.push_back(this);
  place_ = std::prev(port_.all_.by_age_.end());
}

UdpSession::~UdpSession() {
  Worker& worker = port_.worker_;
  worker.loop.remove(fd_, this);
  close(fd_);
  port_.all_.by_age_.erase(place_);
  endpoint_->load.end();

  constexpr auto relaxed = std::memory_order_relaxed;
  const Duration life = worker.loop.now() - begun_;
  figures_->active.fetch_sub(1, relaxed);
  (why_ == nullptr ? figures_->carried : figures_->unreachable).fetch_add(1, relaxed);
  figures_->received.fetch_add(up_, relaxed);
  figures_->sent.fetch_add(down_, relaxed);
  figures_->milliseconds.fetch_add(
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(life).count()), relaxed);

  ExchangeRecord r;
  r.stream = true;
  r.stream_kind = StreamKind::udp;
  r.server_port = spec_->port;
  r.ns = spec_->ns;
  r.service = spec_->service;
  r.service_port = spec_->service_port;
  r.upstream_name = spec_->upstream_name;
  r.status = why_ == nullptr ? 200 : 502;
  if (why_ != nullptr) r.reason = why_, r.ours = true;
  const std::string address = from_.address();
  r.remote_address = address;
  r.remote_port = client_.port;
  r.request_length = up_;
  r.bytes_sent = down_;
  r.request_seconds = seconds(life);
  r.attempts = 1;
  endpoint_->text.copy(r.attempt[0].address, sizeof r.attempt[0].address - 1);
  r.wall_ms = worker.wall_ms();
  worker.recorder.finished(r);

  worker.shared.limits.leave(client_.address.data(), counted_address_);
  worker.left();
}

bool UdpSession::answered() const noexcept {
  return responses_ >= requests_ * port_.worker_.options().proxy_stream_responses;
}

void UdpSession::wait() {
  Worker& worker = port_.worker_;
  worker.loop.arm(*this, worker.options().proxy_stream_timeout);
  quiet_since_ = worker.loop.now();
  auto& by_age = port_.all_.by_age_;
  by_age.splice(by_age.end(), by_age, place_);
}

void UdpSession::end(const char* why) {
  why_ = why;
  port_.forget(*this);
}

void UdpSession::expired() {
  port_.forget(*this);
}

bool UdpSession::send(const char* bytes, std::size_t size) {
  ssize_t sent = ::send(fd_, bytes, size, MSG_NOSIGNAL);
  // What ICMP said of a datagram before is told with the next one: that one is sent nevertheless.
  if (sent < 0 && errno == ECONNREFUSED) sent = ::send(fd_, bytes, size, MSG_NOSIGNAL);
  ++requests_;
  up_ += size;
  if (sent < 0) {
    figures_->dropped.fetch_add(1, std::memory_order_relaxed);
    if (errno != EAGAIN && errno != ENOBUFS && errno != EMSGSIZE) return end("the pod cannot be reached"), false;
  }
  if (answered()) return port_.forget(*this), false;  // nothing is to come
  wait();
  return true;
}

void UdpSession::on_events(std::uint32_t) {
  char* const bytes = port_.worker_.scratch.get();
  for (int i = 0; i < kAtOnce; ++i) {
    const ssize_t n = recv(fd_, bytes, Worker::kScratch, 0);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return;
      // ICMP: nobody takes datagrams there. What the client sends next begins a session with another pod.
      if (responses_ > 0) return port_.forget(*this);
      return end("the pod takes no datagrams there");
    }
    ++responses_;
    if (port_.answer(*this, bytes, static_cast<std::size_t>(n)))
      down_ += static_cast<std::uint64_t>(n);
    else
      figures_->dropped.fetch_add(1, std::memory_order_relaxed);
    if (answered()) return port_.forget(*this);
    wait();
  }
}

std::size_t UdpPort::Hash::operator()(const UdpClient& client) const noexcept {
  char bytes[38];
  std::memcpy(bytes, client.address.data(), 16);
  std::memcpy(bytes + 16, client.here.data(), 16);
  std::memcpy(bytes + 32, &client.port, 2);
  std::memcpy(bytes + 34, &client.interface, 4);
  return hash_name(*seed, {bytes, sizeof bytes});
}

UdpPort::UdpPort(UdpPorts& all, int fd, std::uint16_t port)
    : all_(all), worker_(all.worker_), fd_(fd), port_(port), sessions_(8, Hash{&worker_.shared.loop_seed}) {
  worker_.loop.add(fd_, EPOLLIN, this);
}

UdpPort::~UdpPort() {
  sessions_.clear();
  if (fd_ < 0) return;
  worker_.loop.remove(fd_, this);
  close(fd_);
}

void UdpPorts::open(std::uint16_t port, int fd) {
  ports_[port] = std::make_unique<UdpPort>(*this, fd, port);
}

void UdpPorts::drain() {
  for (auto& [number, port] : ports_)
    for (int i = 0; i < kLastTurns && port->take_some(); ++i) {
    }
  draining_ = true;
  for (auto& [number, port] : ports_) port->close_if_over();
}

void UdpPorts::kill() {
  while (end_quietest()) {
  }
}

bool UdpPorts::end_quietest() {
  if (by_age_.empty()) return false;
  by_age_.front()->expired();
  return true;
}

// Whoever forges addresses must not use up what others need: the session that has been quiet for longest goes.
bool UdpPorts::make_room() {
  Shared& shared = worker_.shared;
  const std::uint32_t places = shared.max_connections(worker_.options());
  const std::size_t most = most_sessions(places, local_ports_, shared.overload.workers());
  while (by_age_.size() >= most) end_quietest();
  // One for one: where connections have all places, no others of ours need end.
  return shared.limits.total() <= places || end_quietest();
}

std::size_t UdpPorts::shed(std::uint64_t bytes, Instant before) {
  std::size_t ended = 0;
  for (; ended * cost::kSession < bytes; ++ended)
    if (by_age_.empty() || by_age_.front()->quiet_since_ > before || !end_quietest()) break;
  return ended;
}

void UdpPort::forget(UdpSession& session) {
  const auto at = sessions_.find(session.client_);
  if (at != sessions_.end()) sessions_.erase(at);
  close_if_over();
}

void UdpPort::close_if_over() {
  if (!all_.draining_ || fd_ < 0 || !sessions_.empty()) return;
  worker_.loop.remove(fd_, this);
  close(fd_);
  fd_ = -1;
}

bool UdpPort::take_some() {
  char* const bytes = worker_.scratch.get();
  for (int i = 0; i < kAtOnce && fd_ >= 0; ++i) {
    net::SocketAddress from;
    iovec part{bytes, Worker::kScratch};
    alignas(cmsghdr) char control[128];
    msghdr message{};
    message.msg_name = from.get();
    message.msg_namelen = from.kRoom;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t n = recvmsg(fd_, &message, 0);
    if (n < 0) {
      if (errno == EINTR) continue;
      return false;
    }
    from.size = message.msg_namelen;
    const UdpClient client = client_of(from, message);
    const StreamTarget* target = worker_.view()->snapshot().streams->find(model::Transport::udp, port_);
    if (target == nullptr) continue;
    UdpSession* session = known(client, *target);
    if (session == nullptr) session = begin(client, from, *target);
    if (session != nullptr)
      session->send(bytes, static_cast<std::size_t>(n));
    else
      target->figures->dropped.fetch_add(1, std::memory_order_relaxed);
  }
  return fd_ >= 0;
}

// Who sends all the time, and expects no answer, must not send for ever to a pod that is gone, or to a Service where
// the port does not lead any more.
UdpSession* UdpPort::known(const UdpClient& client, const StreamTarget& target) {
  const auto at = sessions_.find(client);
  if (at == sessions_.end()) return nullptr;
  UdpSession& session = *at->second;
  const bool leads_there = session.spec_ == target.spec || session.spec_->cluster == target.spec->cluster;
  if (!session.endpoint_->retired && leads_there) return &session;
  forget(session);
  return nullptr;
}

// Null: the datagram is dropped.
UdpSession* UdpPort::begin(const UdpClient& client, const net::SocketAddress& from, const StreamTarget& target) {
  Shared& shared = worker_.shared;
  if (all_.draining_ || worker_.held().any(Rung::refuse) || worker_.held().any(Rung::stop)) return nullptr;
  ClusterRuntime* const cluster = worker_.cluster(target.cluster);
  if (cluster == nullptr || !cluster->available()) {
    target.figures->unreachable.fetch_add(1, std::memory_order_relaxed);
    return nullptr;
  }
  // Room is made last: who is over its own limit, or reaches no pod, costs nobody else a session.
  const std::uint32_t per_address = worker_.options().max_connections_per_address;
  if (!shared.limits.enter(client.address.data(), 0, per_address)) return nullptr;
  std::shared_ptr<EndpointRuntime> endpoint;
  const int fd = connect(*cluster, endpoint);
  if (fd < 0 || !all_.make_room()) {
    shared.limits.leave(client.address.data(), per_address != 0);
    if (fd < 0)
      target.figures->unreachable.fetch_add(1, std::memory_order_relaxed);
    else
      close(fd);
    return nullptr;
  }
  auto session = std::make_unique<UdpSession>(*this, client, from, target, std::move(endpoint), fd, per_address != 0);
  worker_.grew(cost::kSession);
  if (!worker_.loop.add(fd, EPOLLIN, session.get())) {
    session->why_ = "cannot watch another descriptor";
    return nullptr;
  }
  return sessions_.emplace(client, std::move(session)).first->second.get();
}

// A socket to one of the pods; -1: there is none.
int UdpPort::connect(ClusterRuntime& cluster, std::shared_ptr<EndpointRuntime>& endpoint) {
  std::vector<std::uint32_t> tried;
  bool made_room = false;
  for (int i = 0; i < kMostPods; ++i) {
    endpoint = cluster.pick(tried);
    if (!endpoint) break;
    if (leads_to_us(worker_, *endpoint, model::Transport::udp)) {
      worker_.stats.own_refused.add();
      continue;
    }
    int fd = connect_datagrams(endpoint->address);
    if (fd < 0 && lacks_room(errno) && !made_room) {
      made_room = true;
      const bool descriptors = errno != EAGAIN;
      if (!all_.end_quietest() && descriptors) worker_.pool.close_everything();
      fd = connect_datagrams(endpoint->address);
    }
    if (fd >= 0) return fd;
  }
  return -1;
}

// From the address that the client has sent to: it takes no answer from another one.
bool UdpPort::answer(const UdpSession& session, const char* bytes, std::size_t size) noexcept {
  iovec part{const_cast<char*>(bytes), size};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(in6_pktinfo))] = {};
  msghdr message{};
  message.msg_name = const_cast<sockaddr*>(session.from_.get());
  message.msg_namelen = session.from_.size;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  const auto& here = session.client_.here;
  if (here != decltype(here){}) {
    message.msg_control = control;
    const bool v4 = is_mapped(here);
    const std::size_t room = v4 ? sizeof(in_pktinfo) : sizeof(in6_pktinfo);
    message.msg_controllen = CMSG_SPACE(room);
    cmsghdr* const c = CMSG_FIRSTHDR(&message);
    c->cmsg_len = CMSG_LEN(room);
    if (v4) {
      c->cmsg_level = IPPROTO_IP;
      c->cmsg_type = IP_PKTINFO;
      in_pktinfo info{};
      std::memcpy(&info.ipi_spec_dst, here.data() + 12, 4);
      std::memcpy(CMSG_DATA(c), &info, sizeof info);
    } else {
      c->cmsg_level = IPPROTO_IPV6;
      c->cmsg_type = IPV6_PKTINFO;
      in6_pktinfo info{};
      std::memcpy(&info.ipi6_addr, here.data(), 16);
      info.ipi6_ifindex = session.client_.interface;
      std::memcpy(CMSG_DATA(c), &info, sizeof info);
    }
  }
  return sendmsg(fd_, &message, MSG_NOSIGNAL) >= 0;
}

}  // namespace sluice::data
