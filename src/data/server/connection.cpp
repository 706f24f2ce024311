#include "data/server/connection.h"

#include "data/server/h1_connection.h"
#include "data/server/linger.h"
#include "data/server/shedding.h"
#include "data/server/tcp_service.h"
#include "data/server/worker.h"

namespace sluice::data {

Connection::Connection(Worker& w, int fd, Peer p, bool proxy_header, bool counted_address, bool of_stream)
    : worker(w),
      stream(w.loop, fd, Whose::downstream, true),
      peer(std::move(p)),
      proxy_header_(proxy_header),
      counted_address_(counted_address),
      stream_(of_stream) {
  worker.stats.downstream_connections.add();
  worker.add(*this);
  // Workers count for themselves: 1024 of them at most.
  peer.number = worker.stats.accepted.get() * 1024 + worker.number;
  peer.begun = w.loop.now();
}

Connection::~Connection() {
  protocol_.reset();
  worker.stats.downstream_connections.sub();
  worker.shared.limits.leave(peer.bytes, counted_address_);
  worker.remove(*this);
}

void describe_tls(ExchangeRecord& record, net::Stream& stream) noexcept {
  const auto* tls = stream.tls();
  if (!tls) return;
  record.tls_protocol = tls->version();
  record.tls_cipher = tls->cipher();
  record.server_name = tls->server_name();
}

void Connection::start() {
  net::spawn(run());
}

net::Task<void> Connection::run() {
  std::unique_ptr<Connection> self(this);
  Status arrived = co_await arrive();
  if (arrived) {
    co_await protocol_->run();
  } else if (arrived.error().status != 0 && !stream_) {
    auto turns_away = std::make_unique<H1Connection>(*this);
    auto& http = *turns_away;
    protocol_ = std::move(turns_away);
    co_await http.turn_away(arrived.error(), plain_text_ == 'H');  // no other method begins with it
  } else if (arrived.error().fault == Fault::malformed) {
    co_await linger(worker, stream);
  }
}

// Until it is known what the client speaks.
net::Task<Status> Connection::arrive() {
  if (stream_) {
    // Where its port leads as it comes, be the port gone before a PROXY header is there.
    const StreamTarget* target = worker.view()->snapshot().streams->find(model::Transport::tcp, peer.local_port);
    if (target == nullptr) co_return std::unexpected(stream.error(Fault::closed, "the port leads nowhere any more"));
    protocol_ = std::make_unique<TcpService>(*this, *target);
  }
  if (proxy_header_) {
    Status named = co_await take_proxy_header();
    if (!named) co_return named;
  }
  if (stream_) co_return Status{};
  if (!peer.tls) {
    bool h2 = false;
    if (worker.options().http2_prior_knowledge) {
      Result<bool> prior = co_await speaks_h2();
      if (!prior) co_return std::unexpected(prior.error());
      h2 = *prior;
    }
    protocol_ = (h2 ? protocols().front() : protocols().back()).make(*this);
    co_return Status{};
  }
  const Instant until = worker.loop.now() + worker.options().ssl_handshake_timeout;
  if (worker.shared.passthrough) {
    Status looked = co_await look_at_hello(until);
    if (!looked) worker.stats.tls_handshake_failures.add();
    if (!looked || protocol_) co_return looked;
  }
  auto session = net::tls::Session::server(worker.server_tls(), stream.fd());
  if (!session) {
    worker.stats.tls_handshake_failures.add();
    co_return std::unexpected(Error{Fault::overload, Whose::internal, Retry::no, 0, "no memory for TLS"});
  }
  stream.start_tls(std::move(session));
  Status shaken = co_await stream.handshake(until);
  if (!shaken) {
    worker.stats.tls_handshake_failures.add();
    plain_text_ = stream.tls()->text_of_peer();
    if (plain_text_ == '\0') co_return shaken;
    stream.end_tls();
    peer.tls = false;
    peer.plain_on_tls = true;
    co_return std::unexpected(
        Error{Fault::malformed, Whose::downstream, Retry::no, 400, "plain HTTP on a listener of TLS"});
  }
  worker.stats.tls_handshakes.add();
  peer.secured = !stream.tls()->default_certificate();
  peer.client = stream.tls()->client_certificate();
  peer.resumed = stream.tls()->resumed();
  if (peer.resumed) worker.stats.tls_handshakes_resumed.add();
  for (const auto& p : protocols())
    if (p.alpn == stream.tls()->alpn()) {
      peer.alpn = p.alpn;
      protocol_ = p.make(*this);
    }
  if (!protocol_) protocol_ = protocols().back().make(*this);
  co_return Status{};
}

namespace {

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
enum class Opening : std::uint8_t { h1, h2, neither, more };

// What a plain client begins with (RFC 9113 section 3.4). A line that looks like no request, and names no version, may
// be a damaged preface: such a client reads no answer of HTTP/1. Everybody else is answered in it. `full`: no more is
// looked at.
Opening opening(std::string_view bytes, bool full) noexcept {
  if (bytes.starts_with(kPreface)) return Opening::h2;
  if (kPreface.starts_with(bytes)) return Opening::more;
  const auto space = bytes.find(' ');
  if (space >= bytes.size() - 1 || std::string_view("/*hH").contains(bytes[space + 1])) return Opening::h1;
  const auto line = bytes.substr(0, bytes.find('\n'));
  if (full || line.contains(" HTTP/")) return Opening::h1;
  return line.size() < bytes.size() ? Opening::neither : Opening::more;
}

}  // namespace

// Whether a plain client speaks HTTP/2. Looks without taking anything.
net::Task<Result<bool>> Connection::speaks_h2() {
  const Instant until = worker.loop.now() + worker.options().client_header_timeout;
  char begin[256];
  for (std::size_t seen = 0;;) {
    const auto r = stream.peek(begin, sizeof begin, seen);
    const Opening what = opening({begin, r.bytes}, r.bytes == sizeof begin);
    if (what == Opening::h1 || what == Opening::h2) co_return what == Opening::h2;
    if (what == Opening::neither) {
      worker.stats.malformed_requests.add();
      co_return std::unexpected(stream.error(Fault::malformed, "neither HTTP/1 nor HTTP/2"));
    }
    if (r.io == net::tls::Io::failed || r.io == net::tls::Io::closed)
      co_return std::unexpected(stream.error(Fault::closed, "closed before the first request"));
    seen = r.bytes;
    Status more = co_await stream.readable(until);
    if (more) continue;
    Error why = more.error();
    const bool h1 = seen > 0 && !std::string_view(begin, seen).starts_with("PRI ");
    if (why.fault == Fault::timeout && h1) why.status = 408;
    co_return std::unexpected(why);
  }
}

void Connection::drain(bool new_ones_too) noexcept {
  if (protocol_)
    protocol_->drain(new_ones_too);
  else if (new_ones_too)
    kill();
}

void Connection::holdings(Holdings& out) noexcept {
  if (protocol_) return protocol_->holdings(out);
  const std::size_t bytes = cost::kConnection + (stream.tls() ? cost::kHandshake : 0) + stream.held();
  out.add({peer.tls ? Holding::Kind::slow : Holding::Kind::idle, bytes, peer.begun, &stream, &stream, true});
}

void Connection::kill() noexcept {
  if (protocol_) return protocol_->kill();
  stream.cancel(Error{Fault::cancelled, Whose::internal, Retry::no, 0, "draining"});
}

}  // namespace sluice::data
