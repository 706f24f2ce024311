#pragma once
#include <memory>
#include <span>
#include <string_view>

#include "data/exchange/exchange.h"
#include "net/io/task.h"
#include "net/proxy_protocol.h"
#include "net/stream.h"

namespace sluice::data {

class Connection;
class Holdings;
class Worker;

// Why kill() ends what runs. Nobody is answered; the log has the status of a client that left.
inline constexpr Error kDrainedTooLong{Fault::cancelled, Whose::internal, Retry::no, 499,
                                       "the deadline of draining has passed"};

// A version of HTTP on one client's connection. Lives in its Connection, on the worker's thread.
class Protocol {
 public:
  virtual ~Protocol() = default;
  // Serves until one side ends it; the Connection is deleted after it.
  virtual net::Task<void> run() = 0;
  // The worker drains: what is idle ends now, what is busy after it is done. A client that has not sent its first
  // request yet is spared unless `new_ones_too`.
  virtual void drain(bool new_ones_too) noexcept = 0;
  // The deadline of draining: ends now.
  virtual void kill() noexcept = 0;
  // What it holds, and for whom: one entry, or one for each of its streams.
  virtual void holdings(Holdings& out) noexcept = 0;
};

// A protocol by its ALPN name (RFC 7301). The order of the table is our preference.
struct ProtocolEntry {
  std::string_view alpn;
  std::unique_ptr<Protocol> (*make)(Connection&);
};
std::span<const ProtocolEntry> protocols();

// What of TLS goes into the log of each exchange.
void describe_tls(ExchangeRecord& record, net::Stream& stream) noexcept;

// One client's connection: what comes before HTTP (PROXY header, TLS, the choice of a protocol), then that protocol.
// Owns itself: start() runs it, its end deletes it. Its worker lists it while it lives.
class Connection {
 public:
  // Takes fd. `proxy_header`: it begins with one. `counted_address`: it counts in max-connections-per-address.
  // `stream`: its bytes are not ours to read, but those of the Service that its port leads to.
  Connection(Worker& worker, int fd, Peer peer, bool proxy_header, bool counted_address, bool stream);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  bool usable() const noexcept { return stream.registered(); }
  void start();
  void drain(bool new_ones_too) noexcept;
  void kill() noexcept;
  void holdings(Holdings& out) noexcept;

  Worker& worker;
  net::Stream stream;
  Peer peer;

 private:
  friend class Worker;
  net::Task<void> run();
  net::Task<Status> arrive();
  // proxy_header.cpp: the header that must come first; from then on the peer is the client that it names, where its
  // sender is trusted.
  net::Task<Status> take_proxy_header();
  void believe(const net::proxy_protocol::Header& header);
  bool count_address();
  // passthrough.cpp: where the name in the ClientHello belongs to a host whose TLS is passed through, that is the
  // protocol. Nothing is taken from the stream.
  net::Task<Status> look_at_hello(Instant until);
  net::Task<Result<bool>> speaks_h2();
  std::unique_ptr<Protocol> protocol_;
  bool proxy_header_, counted_address_;
  const bool stream_;
  char plain_text_ = '\0';                            // what it began with in place of a handshake
  Connection *next_ = nullptr, *previous_ = nullptr;  // of the worker
};

}  // namespace sluice::data
