#pragma once
#include <array>

#include "net/tls/client_certificate.h"
#include "net/tls/openssl.h"

// The insides of ClientAuthority; inside this folder only.
namespace sluice::net::tls {

using Digest = std::array<unsigned char, 32>;
Digest sha256(std::string_view text);

class ClientAuthority {
 public:
  ClientAuthority(Owned<X509_STORE> store, Owned<STACK_OF(X509_NAME)> names, const Digest& digest)
      : store_(std::move(store)), names_(std::move(names)), digest_(digest) {}
  X509_STORE* store() const noexcept { return store_.get(); }
  const STACK_OF(X509_NAME) * names() const noexcept { return names_.get(); }
  // Of its texts: the same in every process.
  const Digest& digest() const noexcept { return digest_; }

 private:
  Owned<X509_STORE> store_;
  Owned<STACK_OF(X509_NAME)> names_;  // that clients are told, to choose by
  Digest digest_;
};

// What the client of a finished handshake showed. `worst`: the last error that verifying met, 0: none.
std::shared_ptr<const ClientCertificate> client_certificate_of(SSL* ssl, const ClientCheck& check, int worst);

}  // namespace sluice::net::tls
