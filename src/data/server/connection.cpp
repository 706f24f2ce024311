#include "data/server/connection.h"

#include "data/server/worker.h"

namespace sluice::data {

Connection::Connection(Worker& w, int fd, Peer p, bool counted_address)
    : worker(w), stream(w.loop, fd, Whose::downstream, true), peer(std::move(p)), counted_address_(counted_address) {
  worker.stats.downstream_connections.add();
  worker.add(*this);
}

Connection::~Connection() {
  protocol_.reset();
  worker.stats.downstream_connections.sub();
  worker.shared.limits.leave(peer.bytes, counted_address_);
  worker.remove(*this);
}

void Connection::start() {
  net::spawn(run());
}

net::Task<void> Connection::run() {
  std::unique_ptr<Connection> self(this);
  Status arrived = co_await arrive();
  if (arrived) co_await protocol_->run();
}

// Until it is known what the client speaks.
net::Task<Status> Connection::arrive() {
  if (!peer.tls) {
    protocol_ = protocols().back().make(*this);
    co_return Status{};
  }
  stream.start_tls(net::tls::Session::server(worker.server_tls(), stream.fd()));
  Status shaken = co_await stream.handshake(worker.loop.now() + worker.options().ssl_handshake_timeout);
  if (!shaken) {
    worker.stats.tls_handshake_failures.add();
    co_return shaken;
  }
  worker.stats.tls_handshakes.add();
  if (stream.tls()->resumed()) worker.stats.tls_handshakes_resumed.add();
  for (const auto& p : protocols())
    if (p.alpn == stream.tls()->alpn()) protocol_ = p.make(*this);
  if (!protocol_) protocol_ = protocols().back().make(*this);
  co_return Status{};
}

void Connection::drain(bool new_ones_too) noexcept {
  if (protocol_)
    protocol_->drain(new_ones_too);
  else if (new_ones_too)
    kill();
}

void Connection::kill() noexcept {
  if (protocol_) return protocol_->kill();
  stream.cancel(Error{Fault::cancelled, Whose::internal, Retry::no, 0, "draining"});
}

}  // namespace sluice::data
