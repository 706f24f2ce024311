#include "net/tls/key_pair.h"

#include <arpa/inet.h>
#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/decoder.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>

#include "base/strings.h"

namespace sluice::net::tls {
namespace {

constexpr std::size_t max_pem = 64 * 1024;

std::int64_t unix_seconds(const ASN1_TIME* t) {
  std::tm tm{};
  return ASN1_TIME_to_tm(t, &tm) == 1 ? timegm(&tm) : 0;
}

std::string text_of(const ASN1_STRING* s) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(s)), static_cast<std::size_t>(ASN1_STRING_length(s))};
}

// A name with a NUL inside is an old trick ("good.example\0.evil.example"): it names nothing.
bool plain(const std::string& name) {
  return !name.empty() && name.find('\0') == std::string::npos;
}

Owned<BIO> reader(std::string_view pem) {
  return Owned<BIO>(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

int no_passphrase(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return 0;
}

std::expected<std::vector<Owned<X509>>, std::string> read_chain(std::string_view pem) {
  if (pem.size() > max_pem) return std::unexpected("tls.crt is larger than 64 KiB");
  auto bio = reader(pem);
  std::vector<Owned<X509>> certificates;
  for (;;) {
    Owned<X509> x(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    if (!x) break;
    certificates.push_back(std::move(x));
  }
  const unsigned long e = ERR_peek_last_error();
  const bool at_end = ERR_GET_LIB(e) == ERR_LIB_PEM && ERR_GET_REASON(e) == PEM_R_NO_START_LINE;
  if (!at_end)
    return std::unexpected("tls.crt: certificate " + std::to_string(certificates.size() + 1) +
                           " cannot be read: " + take_openssl_error());
  ERR_clear_error();
  if (certificates.empty()) return std::unexpected("tls.crt holds no PEM certificate");
  return certificates;
}

// The usual case at a third of the cost: a plain key of the certificate's own type, which spares OpenSSL trying every
// decoder it has. Null: the general way has to judge.
Owned<EVP_PKEY> read_key_like(std::string_view pem, const EVP_PKEY* like) {
  auto bio = reader(pem);
  char *kind = nullptr, *header = nullptr;
  unsigned char* data = nullptr;
  long size = 0;
  EVP_PKEY* key = nullptr;
  const char* type = like ? EVP_PKEY_get0_type_name(like) : nullptr;
  // Other blocks, such as EC PARAMETERS, may come before it.
  while (type && !key && PEM_read_bio(bio.get(), &kind, &header, &data, &size) == 1) {
    const std::string_view name = kind;
    if (name == "PRIVATE KEY") {
      const unsigned char* at = data;
      auto left = static_cast<std::size_t>(size);
      OSSL_DECODER_CTX* decoder =
          OSSL_DECODER_CTX_new_for_pkey(&key, "DER", "PrivateKeyInfo", type, EVP_PKEY_KEYPAIR, nullptr, nullptr);
      OSSL_DECODER_from_data(decoder, &at, &left);
      OSSL_DECODER_CTX_free(decoder);
    } else if (name.ends_with(" PRIVATE KEY") && name != "ENCRYPTED PRIVATE KEY" && !*header) {
      const unsigned char* at = data;
      d2i_PrivateKey(EVP_PKEY_get_base_id(like), &key, &at, size);
    }
    const bool private_block = name.ends_with("PRIVATE KEY");
    OPENSSL_free(kind);
    OPENSSL_free(header);
    OPENSSL_clear_free(data, static_cast<std::size_t>(size));
    if (private_block) break;
  }
  ERR_clear_error();
  return Owned<EVP_PKEY>(key);
}

std::expected<Owned<EVP_PKEY>, std::string> read_key(std::string_view pem, const EVP_PKEY* like) {
  if (pem.size() > max_pem) return std::unexpected("tls.key is larger than 64 KiB");
  if (auto key = read_key_like(pem, like)) return key;
  auto bio = reader(pem);
  bool asked = false;
  Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, &asked));
  const bool none =
      ERR_GET_LIB(ERR_peek_last_error()) == ERR_LIB_PEM && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  // Reasons of the decoders stay unsaid: they may quote what they read.
  ERR_clear_error();
  if (asked) return std::unexpected("tls.key is encrypted; expected a key without passphrase");
  if (!key) {
    if (none || pem.find("PRIVATE KEY-----") == std::string_view::npos)
      return std::unexpected("tls.key holds no PEM private key");
    return std::unexpected("tls.key cannot be read as a private key");
  }
  return key;
}

// What a handshake would say, asked once ahead of time at the server's security level.
std::expected<void, std::string> try_out(const PemKeyPair& pair) {
  static const Owned<SSL_CTX> ctx = [] {
    Owned<SSL_CTX> c(SSL_CTX_new(TLS_server_method()));
    if (c) SSL_CTX_set_security_level(c.get(), 1);
    return c;
  }();
  Owned<SSL> ssl(ctx ? SSL_new(ctx.get()) : nullptr);
  if (!ssl || !pair.present(ssl.get())) {
    return std::unexpected("tls.crt and tls.key cannot be used by a server: " + take_openssl_error());
  }
  return {};
}

// What clients ask of a certificate beside its names and dates; OpenSSL, GnuTLS, NSS and Go agree on these.
std::string_view unfit_for_clients(X509* leaf, EVP_PKEY* key, std::string_view key_type) {
  // RFC 5280 section 4.2: who does not know a critical extension refuses the certificate.
  if ((X509_get_extension_flags(leaf) & EXFLAG_CRITICAL) != 0) return "no critical extension that clients do not know";
  if ((X509_get_extended_key_usage(leaf) & (XKU_SSL_SERVER | XKU_ANYEKU)) == 0)
    return "an extendedKeyUsage with serverAuth, or none";
  const auto usage = X509_get_key_usage(leaf);
  const bool rsa = key_type == "RSA";
  if ((usage & KU_DIGITAL_SIGNATURE) == 0 && !(rsa && (usage & KU_KEY_ENCIPHERMENT) != 0))
    return "a keyUsage with digitalSignature, or none";
  if (rsa && EVP_PKEY_get_bits(key) < 2048) return "an RSA key of 2048 bits or more";
  if (key_type != "ECDSA") return {};
  char curve[80] = "";
  EVP_PKEY_get_group_name(key, curve, sizeof curve, nullptr);
  static constexpr std::string_view kOffered[] = {"prime256v1", "P-256", "secp384r1", "P-384", "secp521r1", "P-521"};
  return std::find(std::begin(kOffered), std::end(kOffered), curve) == std::end(kOffered)
             ? "a key of the curve P-256, P-384 or P-521"
             : "";
}

}  // namespace

std::string_view key_type_of(EVP_PKEY* key) noexcept {
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
    case EVP_PKEY_RSA_PSS:
      return "RSA";
    case EVP_PKEY_EC:
      return "ECDSA";
    case EVP_PKEY_ED25519:
      return "Ed25519";
    default:
      return "";
  }
}

PemKeyPair::PemKeyPair(Owned<X509> leaf, Owned<EVP_PKEY> key, Owned<STACK_OF(X509)> chain)
    : leaf_(std::move(leaf)), key_(std::move(key)), chain_(std::move(chain)) {
  // Fills the caches inside the certificates now, not under a lock in the first handshake.
  X509_check_purpose(leaf_.get(), -1, 0);
  for (int i = 0; i < sk_X509_num(chain_.get()); ++i) X509_check_purpose(sk_X509_value(chain_.get(), i), -1, 0);
  not_before_ = unix_seconds(X509_get0_notBefore(leaf_.get()));
  not_after_ = unix_seconds(X509_get0_notAfter(leaf_.get()));
  key_type_ = key_type_of(key_.get());
  unfit_ = unfit_for_clients(leaf_.get(), key_.get(), key_type_);

  const std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> sans(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(leaf_.get(), NID_subject_alt_name, nullptr, nullptr)),
      GENERAL_NAMES_free);
  for (int i = 0; i < sk_GENERAL_NAME_num(sans.get()); ++i) {
    int type = 0;
    const auto* value =
        static_cast<const ASN1_STRING*>(GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(sans.get(), i), &type));
    if (type != GEN_DNS && type != GEN_IPADD) continue;
    std::string text = text_of(value);
    if (type == GEN_DNS && plain(text)) {
      dns_names_.push_back(lower(text));  // a dot at its end makes it one that no client asks for, as for OpenSSL
    } else if (type == GEN_IPADD && (text.size() == 4 || text.size() == 16)) {
      addresses_.push_back(std::move(text));
    }
  }
  // As ingress-nginx and OpenSSL do; browsers look at SANs alone.
  if (dns_names_.empty()) {
    X509_NAME* subject = X509_get_subject_name(leaf_.get());
    int at = -1;
    for (int i = -1; (i = X509_NAME_get_index_by_NID(subject, NID_commonName, i)) >= 0;) at = i;
    unsigned char* utf8 = nullptr;
    const int size =
        at < 0 ? -1 : ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    const auto give_back = [](unsigned char* p) { OPENSSL_free(p); };
    const std::unique_ptr<unsigned char, decltype(give_back)> owned(utf8, give_back);
    if (size > 0) {
      std::string cn(reinterpret_cast<char*>(utf8), static_cast<std::size_t>(size));
      if (plain(cn)) common_name_ = lower(cn);
    }
  }
  ERR_clear_error();
}

bool PemKeyPair::covers(std::string_view given) const {
  std::string host = lower(given);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  char address[16];
  const std::size_t size = inet_pton(AF_INET, host.c_str(), address) == 1    ? 4
                           : inet_pton(AF_INET6, host.c_str(), address) == 1 ? 16
                                                                             : 0;
  if (size) {
    const std::string_view raw(address, size);
    return std::any_of(addresses_.begin(), addresses_.end(), [&](const std::string& a) { return a == raw; });
  }
  if (host.ends_with('.')) host.pop_back();
  const auto names_it = [&](const std::string& name) { return name == host || wildcard_matches(name, host); };
  return std::any_of(dns_names_.begin(), dns_names_.end(), names_it) ||
         (!common_name_.empty() && names_it(common_name_));
}

namespace {

std::string number_of(const X509* leaf, char* (*print)(const BIGNUM*)) {
  BIGNUM* n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(leaf), nullptr);
  char* digits = n ? print(n) : nullptr;
  std::string text = digits ? digits : "";
  OPENSSL_free(digits);
  BN_free(n);
  return text;
}

std::string field_of(X509_NAME* name, int nid) {
  const int at = X509_NAME_get_index_by_NID(name, nid, -1);
  const X509_NAME_ENTRY* entry = at < 0 ? nullptr : X509_NAME_get_entry(name, at);
  unsigned char* utf8 = nullptr;
  const int size = entry ? ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(entry)) : 0;
  std::string text;
  if (size > 0) text.assign(reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(size));
  OPENSSL_free(utf8);
  return text;
}

}  // namespace

std::string PemKeyPair::serial() const {
  return number_of(leaf_.get(), BN_bn2hex);
}

std::string PemKeyPair::serial_decimal() const {
  return number_of(leaf_.get(), BN_bn2dec);
}

KeyPair::Issuer PemKeyPair::issuer_fields() const {
  X509_NAME* name = X509_get_issuer_name(leaf_.get());
  return {field_of(name, NID_commonName), field_of(name, NID_organizationName), field_of(name, NID_serialNumber)};
}

std::string PemKeyPair::chain_pem() const {
  Owned<BIO> out(BIO_new(BIO_s_mem()));
  if (!out) return {};
  PEM_write_bio_X509(out.get(), leaf_.get());
  for (int i = 0; chain_ && i < sk_X509_num(chain_.get()); ++i)
    PEM_write_bio_X509(out.get(), sk_X509_value(chain_.get(), i));
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string();
}

std::string PemKeyPair::issuer() const {
  Owned<BIO> out(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(out.get(), X509_get_issuer_name(leaf_.get()), 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string();
}

std::vector<std::string> PemKeyPair::names() const {
  std::vector<std::string> all = dns_names_;
  for (const auto& a : addresses_) {
    char text[INET6_ADDRSTRLEN] = "";
    inet_ntop(a.size() == 4 ? AF_INET : AF_INET6, a.data(), text, sizeof text);
    all.emplace_back(text);
  }
  return all;
}

std::expected<KeyPairPtr, std::string> parse_key_pair(std::string_view chain_pem, std::string_view key_pem) {
  ERR_clear_error();
  auto certificates = read_chain(chain_pem);
  if (!certificates) return std::unexpected(std::move(certificates.error()));
  auto key = read_key(key_pem, X509_get0_pubkey(certificates->front().get()));
  if (!key) return std::unexpected(std::move(key.error()));
  const auto type = key_type_of(key->get());
  if (type.empty()) {
    const char* name = EVP_PKEY_get0_type_name(key->get());
    return std::unexpected(std::string("tls.key is of type ") + (name ? name : "unknown") +
                           ", expected RSA, EC or Ed25519");
  }
  for (std::size_t i = 0; i < certificates->size(); ++i) {
    const EVP_PKEY* of_certificate = X509_get0_pubkey((*certificates)[i].get());
    const bool matches = of_certificate && EVP_PKEY_eq(of_certificate, key->get()) == 1;
    ERR_clear_error();
    if (matches && i == 0) break;
    if (matches)
      return std::unexpected("tls.key matches certificate " + std::to_string(i + 1) +
                             " of tls.crt, expected the first: the server's own certificate goes before its issuers");
    if (i + 1 == certificates->size()) return std::unexpected("tls.key does not match tls.crt");
  }
  Owned<STACK_OF(X509)> chain(sk_X509_new_null());
  for (std::size_t i = 1; i < certificates->size(); ++i)
    if (chain && sk_X509_push(chain.get(), (*certificates)[i].get()) > 0) (*certificates)[i].release();
  auto pair = std::make_shared<PemKeyPair>(std::move(certificates->front()), std::move(*key), std::move(chain));
  if (auto usable = try_out(*pair); !usable) return std::unexpected(std::move(usable.error()));
  return pair;
}

KeyPairPtr self_signed() {
  Owned<EVP_PKEY> key(EVP_EC_gen("P-256"));
  Owned<X509> x(X509_new());
  unsigned char serial[16];
  if (!key || !x || RAND_bytes(serial, sizeof serial) != 1) return nullptr;
  serial[0] = static_cast<unsigned char>((serial[0] & 0x7f) | 0x40);  // positive and of full length
  X509_set_version(x.get(), X509_VERSION_3);
  BIGNUM* number = BN_bin2bn(serial, sizeof serial, nullptr);
  BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x.get()));
  BN_free(number);
  X509_gmtime_adj(X509_getm_notBefore(x.get()), -3600);  // clocks of clients differ
  X509_gmtime_adj(X509_getm_notAfter(x.get()), 365L * 86400 - 3600);
  X509_set_pubkey(x.get(), key.get());
  X509_NAME* name = X509_get_subject_name(x.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("sluice.default"), -1, -1,
                             0);
  X509_set_issuer_name(x.get(), name);
  X509V3_CTX v3;
  X509V3_set_ctx_nodb(&v3);
  X509V3_set_ctx(&v3, x.get(), x.get(), nullptr, nullptr, 0);
  const std::pair<int, const char*> extensions[] = {{NID_subject_alt_name, "DNS:sluice.default"},
                                                    {NID_basic_constraints, "critical,CA:FALSE"},
                                                    {NID_key_usage, "critical,digitalSignature"},
                                                    {NID_ext_key_usage, "serverAuth"},
                                                    {NID_subject_key_identifier, "hash"}};
  for (const auto& [nid, value] : extensions) {
    X509_EXTENSION* e = X509V3_EXT_conf_nid(nullptr, &v3, nid, value);
    if (e) X509_add_ext(x.get(), e, -1);
    X509_EXTENSION_free(e);
  }
  if (X509_sign(x.get(), key.get(), EVP_sha256()) == 0) return nullptr;
  return std::make_shared<PemKeyPair>(std::move(x), std::move(key), Owned<STACK_OF(X509)>(sk_X509_new_null()));
}

}  // namespace sluice::net::tls
