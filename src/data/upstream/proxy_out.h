#pragma once
#include <string>

#include "data/exchange/exchange.h"
#include "model/model.h"

namespace sluice::data {

// The PROXY header that tells a pod of this client: the ends of its connection, as they were before any load balancer
// whose PROXY header is believed. Empty for ProxyProtocol::off. Of a request of our own on behalf of no client (no
// address, no connection) it says so.
std::string proxy_header(const Peer& peer, model::ProxyProtocol version);

}  // namespace sluice::data
