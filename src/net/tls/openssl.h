#pragma once
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <expected>
#include <memory>
#include <string>
#include <string_view>

// Owners of OpenSSL's objects and its errors as text; inside this folder only.
namespace sluice::net::tls {

struct Release {
  void operator()(BIO* p) const noexcept { BIO_free(p); }
  void operator()(X509* p) const noexcept { X509_free(p); }
  void operator()(X509_CRL* p) const noexcept { X509_CRL_free(p); }
  void operator()(X509_STORE* p) const noexcept { X509_STORE_free(p); }
  void operator()(X509_STORE_CTX* p) const noexcept { X509_STORE_CTX_free(p); }
  void operator()(EVP_PKEY* p) const noexcept { EVP_PKEY_free(p); }
  void operator()(EVP_PKEY_CTX* p) const noexcept { EVP_PKEY_CTX_free(p); }
  void operator()(SSL* p) const noexcept { SSL_free(p); }
  void operator()(SSL_CTX* p) const noexcept { SSL_CTX_free(p); }
  void operator()(SSL_SESSION* p) const noexcept { SSL_SESSION_free(p); }
  void operator()(STACK_OF(X509_NAME) * p) const noexcept { sk_X509_NAME_pop_free(p, X509_NAME_free); }
  void operator()(STACK_OF(X509) * p) const noexcept { sk_X509_pop_free(p, X509_free); }
};
template <class T>
using Owned = std::unique_ptr<T, Release>;

// The oldest error of the calling thread's queue in one line of printable ASCII, without file names; empties the queue.
std::string take_openssl_error();

// Applies "TLSv1.2 TLSv1.3". On error: which name is unknown.
std::expected<void, std::string> set_protocols(SSL_CTX* ctx, std::string_view names);

// True for IPv4 and IPv6 literals, the latter without brackets.
bool is_ip_literal(const std::string& host) noexcept;

}  // namespace sluice::net::tls
