#pragma once
#include <netinet/in.h>

#include <array>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <unordered_map>

#include "data/routing/hash.h"
#include "data/snapshot/streams.h"
#include "net/io/loop.h"
#include "net/io/socket.h"
#include "sluice/record.h"

// Ports of datagrams that lead to Services (udp-services). One thread.
namespace sluice::data {

class ClusterRuntime;
struct EndpointRuntime;
class UdpPort;
class UdpPorts;
class Worker;

// How many sessions a worker may have. Each takes a port of the kernel's choice (`local_ports`), of which others that
// speak UDP need some, and a place of connections (`places`): a quarter of either for those of all workers, but 16 a
// worker where there are few places.
std::size_t most_sessions(std::uint32_t places, std::uint32_t local_ports, unsigned workers) noexcept;
// How many ports net.ipv4.ip_local_port_range has, which is of IPv6, too; the kernel's default where it cannot be read.
std::uint32_t local_ports() noexcept;

// Which client a datagram is of: its address and port, and the address of ours that it was sent to. Answers leave from
// there.
struct UdpClient {
  std::array<std::uint8_t, 16> address{}, here{};  // IPv4 in its mapped form
  std::uint16_t port = 0;
  std::uint32_t interface = 0;  // of a link-local address
  bool operator==(const UdpClient&) const = default;
};

// The datagrams of one client, and what one pod answers. Ends once each of them has had the answers that it is to have
// (proxy-stream-responses), or when nothing comes for proxy-stream-timeout.
class UdpSession final : public net::Watcher, public net::Deadline {
 public:
  // Takes `fd`, which is connected to the pod.
  UdpSession(UdpPort& port, const UdpClient& client, const net::SocketAddress& from, const StreamTarget& target,
             std::shared_ptr<EndpointRuntime> endpoint, int fd, bool counted_address);
  ~UdpSession() override;
  UdpSession(const UdpSession&) = delete;
  UdpSession& operator=(const UdpSession&) = delete;
  void on_events(std::uint32_t events) override;  // the pod says something; may end this
  void expired() override;                        // ends this
  // Passes a datagram on. False: this is over.
  bool send(const char* bytes, std::size_t size);

 private:
  friend class UdpPort;
  friend class UdpPorts;
  bool answered() const noexcept;
  void wait();                // for the next datagram, of either side
  void end(const char* why);  // ends this

  UdpPort& port_;
  const UdpClient client_;
  const net::SocketAddress from_;
  const std::shared_ptr<const model::StreamListener> spec_;
  const std::shared_ptr<StreamFigures> figures_;
  std::shared_ptr<EndpointRuntime> endpoint_;
  const int fd_;
  const bool counted_address_;
  const char* why_ = nullptr;  // no pod took it
  std::uint64_t up_ = 0, down_ = 0, requests_ = 0, responses_ = 0;
  const Instant begun_;
  Instant quiet_since_;                     // the last datagram, of either side
  std::list<UdpSession*>::iterator place_;  // in UdpPorts::by_age_
};

// A socket of one worker, one of a SO_REUSEPORT group: the kernel gives all datagrams of a client to the same one.
class UdpPort final : public net::Watcher {
 public:
  // Takes fd.
  UdpPort(UdpPorts& all, int fd, std::uint16_t port);
  ~UdpPort();  // its sessions end: nothing could reach their clients any more
  UdpPort(const UdpPort&) = delete;
  UdpPort& operator=(const UdpPort&) = delete;
  void on_events(std::uint32_t) override { take_some(); }

 private:
  friend class UdpSession;
  friend class UdpPorts;
  struct Hash {
    const HashSeed* seed;
    std::size_t operator()(const UdpClient& client) const noexcept;
  };
  bool take_some();  // true: more may wait
  UdpSession* known(const UdpClient& client, const StreamTarget& target);
  UdpSession* begin(const UdpClient& client, const net::SocketAddress& from, const StreamTarget& target);
  int connect(ClusterRuntime& cluster, std::shared_ptr<EndpointRuntime>& endpoint);
  bool answer(const UdpSession& session, const char* bytes, std::size_t size) noexcept;
  void forget(UdpSession& session);
  void close_if_over();  // nobody is served here any more: the port is somebody else's

  UdpPorts& all_;
  Worker& worker_;
  int fd_;  // -1: closed
  const std::uint16_t port_;
  std::unordered_map<UdpClient, std::unique_ptr<UdpSession>, Hash> sessions_;
};

// All of a worker.
class UdpPorts {
 public:
  explicit UdpPorts(Worker& worker) : worker_(worker), local_ports_(local_ports()) {}
  void open(std::uint16_t port, int fd);  // takes fd
  void close(std::uint16_t port) { ports_.erase(port); }
  // What has come is taken; from then on only clients whose session is open are served. A port is closed at once where
  // there is none, else with the last one: another process may have it then.
  void drain();
  void kill();  // all sessions end
  // Memory is short: ends sessions without a datagram since `before`, the quietest first, until they have given back
  // about so many bytes. Returns how many ended.
  std::size_t shed(std::uint64_t bytes, Instant before);

 private:
  friend class UdpPort;
  friend class UdpSession;
  bool end_quietest();  // false: there is none
  bool make_room();     // for one more, which is counted; false: there is none
  Worker& worker_;
  const std::uint32_t local_ports_;
  bool draining_ = false;
  std::list<UdpSession*> by_age_;  // that of which nothing came for longest first
  std::map<std::uint16_t, std::unique_ptr<UdpPort>> ports_;
};

}  // namespace sluice::data
