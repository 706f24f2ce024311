#include <cstring>
#include <utility>

#include "data/proxy/prepare.h"
#include "data/server/connection.h"
#include "data/server/linger.h"
#include "data/server/turned_away.h"
#include "data/server/worker.h"

namespace sluice::data {

namespace {

using net::proxy_protocol::Header;
using net::tls::Io;

std::unique_ptr<const ProxyHeaderRecord> record_of(const Header& header, const std::string& sender) {
  auto out = std::make_unique<ProxyHeaderRecord>();
  out->sender = sender;
  if (header.proxied) {
    char text[net::http::kAddressText];
    out->address = net::http::format_address(header.addresses.source, text);
    out->server_address = net::http::format_address(header.addresses.destination, text);
    out->port = header.addresses.source_port;
    out->server_port = header.addresses.destination_port;
  }
  out->alpn = header.alpn;
  out->authority = header.authority;
  out->unique_id = header.unique_id;
  out->tls_version = header.tls.version;
  out->tls_common_name = header.tls.common_name;
  out->tls_cipher = header.tls.cipher;
  if (header.tls.used) out->tls_verify = header.tls.verified ? "0" : "1";
  return out;
}

}  // namespace

net::Task<Status> Connection::take_proxy_header() {
  const Instant until = worker.loop.now() + worker.options().proxy_protocol_header_timeout;
  const auto refuse = [this](Error why) {
    worker.stats.proxy_headers_refused.add();
    worker.recorder.complained(peer.address + ":" + std::to_string(peer.port), why.detail);
    return std::unexpected(why);
  };
  std::size_t seen = 0;
  for (;;) {
    char* const bytes = worker.scratch.get();
    const auto r = stream.peek(bytes, net::proxy_protocol::kMaxHeader, seen);
    if (r.io == Io::done) {
      seen = r.bytes;
      Header header;
      auto size = net::proxy_protocol::parse({bytes, seen}, header);
      if (!size) co_return refuse(size.error());
      if (*size == 0) continue;
      worker.stats.proxy_headers.add();
      believe(header);  // before its bytes go
      stream.try_read(bytes, *size);
      if (count_address()) co_return Status{};
      if (!peer.tls && !stream_) co_await linger(worker, stream, kTurnedAwayTime);
      co_return std::unexpected(stream.error(Fault::overload, "max-connections-per-address is reached"));
    }
    // Who connects and leaves without a word has only looked whether somebody is there.
    if (r.io != Io::again_read && seen == 0) co_return std::unexpected(stream.error(Fault::closed, "closed at once"));
    if (r.io != Io::again_read) co_return refuse(stream.error(Fault::closed, "ended inside a PROXY header"));
    Status ready = co_await stream.readable(until);
    if (!ready && ready.error().fault == Fault::timeout)
      co_return refuse(stream.error(Fault::timeout, "no whole PROXY header within proxy-protocol-header-timeout"));
    if (!ready) co_return ready;
  }
}

void Connection::believe(const Header& header) {
  if (!trusted(worker.options(), peer.bytes)) {
    worker.stats.proxy_headers_untrusted.add();
    worker.recorder.complained(peer.address, "a PROXY header from outside proxy-real-ip-cidr is not believed");
    return;
  }
  auto record = record_of(header, peer.address);
  if (header.proxied) {
    peer.address = record->address;
    peer.port = record->port;
    std::memcpy(peer.bytes, header.addresses.source.bytes, sizeof peer.bytes);
  }
  peer.proxy = std::move(record);
}

// Now that the client is known. False: it has too many connections, and was told where it can be.
bool Connection::count_address() {
  const auto most = worker.options().max_connections_per_address;
  if (most == 0) return true;
  counted_address_ = worker.shared.limits.enter_address(peer.bytes, most);
  if (counted_address_) return true;
  worker.stats.shed_connections.add();
  if (peer.tls || stream_) return false;
  const iovec part{const_cast<char*>(kBusyAnswer.data()), kBusyAnswer.size()};
  stream.write_now({&part, 1});
  stream.shutdown_write();
  return false;
}

}  // namespace sluice::data
