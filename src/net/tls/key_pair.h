#pragma once
#include "net/tls/openssl.h"
#include "net/tls/tls.h"

namespace sluice::net::tls {

// The only implementation of KeyPair. The OpenSSL objects are shared by reference count and never changed.
class PemKeyPair final : public KeyPair {
 public:
  PemKeyPair(Owned<X509> leaf, Owned<EVP_PKEY> key, Owned<STACK_OF(X509)> chain);

  bool covers(std::string_view host) const override;
  std::int64_t not_before() const override { return not_before_; }
  std::int64_t not_after() const override { return not_after_; }
  std::string_view key_type() const override { return key_type_; }
  std::string serial() const override;
  std::string serial_decimal() const override;
  std::string issuer() const override;
  Issuer issuer_fields() const override;
  std::string chain_pem() const override;
  std::vector<std::string> names() const override;
  std::string_view unfit() const override { return unfit_; }

  X509* leaf() const noexcept { return leaf_.get(); }
  EVP_PKEY* key() const noexcept { return key_.get(); }
  STACK_OF(X509) * chain() const noexcept { return chain_.get(); }  // without the leaf

  // Makes the connection present this pair, beside pairs of other key types. False: the security level refuses it
  // (reason in OpenSSL's queue).
  bool present(SSL* ssl) const noexcept { return SSL_use_cert_and_key(ssl, leaf(), key(), chain(), 1) == 1; }

 private:
  Owned<X509> leaf_;
  Owned<EVP_PKEY> key_;
  Owned<STACK_OF(X509)> chain_;
  std::vector<std::string> dns_names_;  // lower case
  std::string common_name_;             // the same; empty when there are DNS names
  std::vector<std::string> addresses_;  // raw bytes, 4 or 16
  std::int64_t not_before_ = 0, not_after_ = 0;
  std::string_view key_type_, unfit_;
};

// "RSA", "ECDSA", "Ed25519" or "" for a kind that servers cannot use here.
std::string_view key_type_of(EVP_PKEY* key) noexcept;

}  // namespace sluice::net::tls
