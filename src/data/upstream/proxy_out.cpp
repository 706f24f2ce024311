#include "data/upstream/proxy_out.h"

#include <cstring>

#include "net/io/socket.h"
#include "net/proxy_protocol.h"

namespace sluice::data {

std::string proxy_header(const Peer& peer, model::ProxyProtocol version) {
  std::string out;
  if (version == model::ProxyProtocol::off) return out;
  if (peer.fd < 0 && peer.address.empty()) {
    // On behalf of nobody (section 2.2, LOCAL): v1 has UNKNOWN for it.
    constexpr std::string_view local("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", 16);
    out = version == model::ProxyProtocol::v1 ? std::string_view("PROXY UNKNOWN\r\n") : local;
    return out;
  }
  net::proxy_protocol::Addresses ends;
  std::memcpy(ends.source.bytes, peer.bytes, sizeof peer.bytes);
  ends.source_port = peer.port;
  if (peer.proxy && !peer.proxy->server_address.empty()) {
    net::http::parse_address(peer.proxy->server_address, ends.destination);
    ends.destination_port = peer.proxy->server_port;
  } else {
    const auto here = net::local_address(peer.fd);
    net::http::parse_address(here.address(), ends.destination);
    ends.destination_port = here.port();
  }
  if (version == model::ProxyProtocol::v1)
    net::proxy_protocol::append_v1(out, ends);
  else
    net::proxy_protocol::append_v2(out, ends);
  return out;
}

}  // namespace sluice::data
