#pragma once
#include <cstdint>
#include <string>

#include "model/secret_text.h"
#include "model/shared.h"

namespace sluice::model {

// proxy-ssl-*: how pods are met that speak TLS.
struct UpstreamTls {
  bool verify = false;
  std::uint32_t verify_depth = 1;
  bool send_sni = false;
  std::string server_name;              // name to verify and to send; empty: none is sent, Host is verified
  Common<std::string> ca_pem;           // trust anchors; empty with verify: the system's
  Common<std::string> certificate_pem;  // ours, when the pod asks
  Common<SecretText> key_pem;           // of the certificate
  std::string protocols = "TLSv1.2";    // names separated by spaces
  std::string ciphers = "DEFAULT";
  std::string secret;  // "namespace/name" of the Secret that the PEM texts are of
  bool operator==(const UpstreamTls&) const = default;
};
// What holds where nothing was asked for: nothing is verified, TLS 1.2 and 1.3.
const Shared<UpstreamTls>& unverified_tls();

}  // namespace sluice::model
