#pragma once
#include <string>

#include "model/report.h"
#include "model/settings/client_auth.h"
#include "model/shared.h"

namespace sluice::model {

// How TLS with clients of a host is spoken, where that is not as the options say.
struct TlsPolicy {
  std::string ciphers;                // an OpenSSL list, up to TLS 1.2; empty: those of the options
  bool prefer_server_ciphers = true;  // our order counts, not the client's
  Shared<ClientAuth> client_auth;     // null: no client is asked for a certificate
  ObjectRef ciphers_by;               // for reports: who asks for them
  // Are clients asked for certificates, and can what they show be judged?
  bool asks_clients() const noexcept {
    return client_auth && client_auth->denied.empty() && client_auth->verify != VerifyClient::off;
  }
  bool operator==(const TlsPolicy&) const = default;
};

}  // namespace sluice::model
