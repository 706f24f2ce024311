#pragma once
#include <string>

#include "model/settings/upstream_tls.h"

namespace sluice::control {

// What OpenSSL has against TLS towards pods as it is written, as "tls.key does not match tls.crt"; it begins with
// "proxy-ssl-ciphers" where that is it. Empty: nothing. Workers make their contexts of the same texts (net/tls): what
// they cannot use would be a 502 for each request, and no word before the first.
std::string wrong_with(const model::UpstreamTls& tls);

}  // namespace sluice::control
