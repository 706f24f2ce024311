#pragma once
#include <cstdint>
#include <string>

#include "model/shared.h"

namespace sluice::model {

// What becomes of clients with and without a certificate, as nginx's ssl_verify_client has it.
enum class VerifyClient : std::uint8_t {
  off,            // none is asked for
  on,             // who shows none that is good is refused
  optional,       // who shows none may come; one that is not good is refused
  optional_no_ca  // one of an unknown authority may come as well: pods judge it
};

// auth-tls-*: the certificates that clients of a host show by TLS.
struct ClientAuth {
  std::string denied;  // why nobody may come (403): nothing below counts then; empty: it can be told who may
  std::string secret;  // "namespace/name" of the Secret that the two texts are of
  Common<std::string> ca_pem, crl_pem;  // the authorities, and what they have revoked; no list: nothing
  VerifyClient verify = VerifyClient::on;
  std::uint32_t depth = 1;        // of the chain from the certificate to its authority
  std::string error_page;         // the absolute URL that who is refused is sent to; empty: the answer is 400
  bool pass_certificate = false;  // pods get it, as ssl-client-cert
  std::string match_cn;           // a regular expression of the certificate's subject; empty: any
  bool plain_too = false;         // requests without TLS may come all the same (no-auth-locations)
  bool operator==(const ClientAuth&) const = default;
};

}  // namespace sluice::model
