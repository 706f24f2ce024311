#pragma once
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

// Certificates made on the spot.
namespace sluice::test {

struct Pem {
  std::string chain, key;
};

inline std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

// Self-signed with DNS names "a,b"; `from`, `to`: seconds from now.
inline Pem make_pem(const std::string& names, const char* type = "EC", long from = -3600, long to = 86400) {
  static long serial = 1000;
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      type == std::string("RSA") ? EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{2048})
                                 : EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"),
      &EVP_PKEY_free);
  std::unique_ptr<X509, decltype(&X509_free)> x(X509_new(), &X509_free);
  if (!key || !x) throw std::runtime_error("no key");
  X509_set_version(x.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(x.get()), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(x.get()), from);
  X509_gmtime_adj(X509_getm_notAfter(x.get()), to);
  X509_set_pubkey(x.get(), key.get());
  auto* subject = X509_get_subject_name(x.get());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
  X509_set_issuer_name(x.get(), subject);
  std::string san = "DNS:";
  for (char c : names) san += c == ',' ? std::string(",DNS:") : std::string(1, c);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, san.c_str());
  X509_add_ext(x.get(), extension, -1);
  X509_EXTENSION_free(extension);
  X509_sign(x.get(), key.get(), EVP_sha256());

  std::unique_ptr<BIO, decltype(&BIO_free)> a(BIO_new(BIO_s_mem()), &BIO_free), b(BIO_new(BIO_s_mem()), &BIO_free);
  PEM_write_bio_X509(a.get(), x.get());
  PEM_write_bio_PKCS8PrivateKey(b.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  return {text_of(a.get()), text_of(b.get())};
}

}  // namespace sluice::test
