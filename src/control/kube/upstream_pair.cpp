#include "control/kube/upstream_pair.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <memory>

namespace sluice::control {

namespace {

template <auto Free>
struct Freed {
  void operator()(auto* what) const noexcept { Free(what); }
};
using Context = std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>>;
using Reader = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;

Reader reader(const std::string& text) {
  return Reader(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}
Certificate next_certificate(const Reader& from) {
  return Certificate(PEM_read_bio_X509(from.get(), nullptr, nullptr, nullptr));
}
bool is_end() {
  const unsigned long error = ERR_peek_last_error();
  return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}
// A key with a password is none that we could use.
int no_password(char*, int, int, void*) {
  return 0;
}

std::string wrong_with_authorities(const std::string& pem) {
  const auto from = reader(pem);
  std::size_t count = 0;
  while (next_certificate(from)) ++count;
  if (!is_end()) return "certificate " + std::to_string(count + 1) + " of ca.crt cannot be read";
  return count == 0 ? "ca.crt holds no certificate" : "";
}

std::string wrong_with_pair(SSL_CTX* context, const std::string& chain_pem, const std::string& key_pem) {
  const auto chain = next_certificate(reader(chain_pem));
  if (!chain) return "tls.crt holds no certificate that can be read";
  const Key key(PEM_read_bio_PrivateKey(reader(key_pem).get(), nullptr, no_password, nullptr));
  if (!key) return "tls.key holds no key that can be read";
  if (X509_check_private_key(chain.get(), key.get()) != 1) return "tls.key does not match tls.crt";
  if (SSL_CTX_use_certificate(context, chain.get()) != 1 || SSL_CTX_use_PrivateKey(context, key.get()) != 1)
    return "OpenSSL takes no such key for TLS";
  return {};
}

}  // namespace

std::string wrong_with(const model::UpstreamTls& tls) {
  ERR_clear_error();
  const Context context(SSL_CTX_new(TLS_client_method()));
  if (!context) return {};  // out of memory: nothing can be said of it
  SSL_CTX_set_security_level(context.get(), 1);
  std::string wrong;
  if (!tls.ciphers.empty() && SSL_CTX_set_cipher_list(context.get(), tls.ciphers.c_str()) != 1)
    wrong = "proxy-ssl-ciphers names no cipher that is known";
  else if (tls.verify && !tls.ca_pem.empty())
    wrong = wrong_with_authorities(tls.ca_pem);
  if (wrong.empty() && !tls.certificate_pem.empty())
    wrong = wrong_with_pair(context.get(), tls.certificate_pem, tls.key_pem->text);
  ERR_clear_error();
  return wrong;
}

}  // namespace sluice::control
