#include "net/tls/client_certificate.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>
#include <map>
#include <mutex>

#include "base/percent.h"
#include "net/tls/client_authority.h"

namespace sluice::net::tls {
namespace {

constexpr std::size_t kMostPem = 1 << 20;  // bytes, of each text
constexpr char kHexDigits[] = "0123456789abcdef";

// Calls take(BIO*) until it finds no further PEM. Returns how many there were, or what is wrong with one.
template <class Take>
std::expected<std::size_t, std::string> each_pem(const char* key, const std::string& pem, Take&& take) {
  if (pem.size() > kMostPem) return std::unexpected(std::string(key) + " is larger than 1 MiB");
  Owned<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  if (!bio) return std::unexpected("no memory");
  ERR_clear_error();
  std::size_t count = 0;
  while (take(bio.get())) ++count;
  const unsigned long e = ERR_peek_last_error();
  if (ERR_GET_LIB(e) != ERR_LIB_PEM || ERR_GET_REASON(e) != PEM_R_NO_START_LINE)
    return std::unexpected(std::string(key) + ": number " + std::to_string(count + 1) +
                           " in it cannot be read: " + take_openssl_error());
  ERR_clear_error();
  return count;
}

std::expected<std::shared_ptr<const ClientAuthority>, std::string> read_authority(const std::string& ca_pem,
                                                                                  const std::string& crl_pem,
                                                                                  const Digest& digest) {
  Owned<X509_STORE> store(X509_STORE_new());
  Owned<STACK_OF(X509_NAME)> names(sk_X509_NAME_new_null());
  if (!store || !names) return std::unexpected("no memory");
  const auto certificates = each_pem("ca.crt", ca_pem, [&](BIO* bio) {
    Owned<X509> x(PEM_read_bio_X509_AUX(bio, nullptr, nullptr, nullptr));
    if (!x || X509_STORE_add_cert(store.get(), x.get()) != 1) return false;
    X509_NAME* const name = X509_get_subject_name(x.get());
    for (int i = 0; i < sk_X509_NAME_num(names.get()); ++i)
      if (X509_NAME_cmp(sk_X509_NAME_value(names.get(), i), name) == 0) return true;
    X509_NAME* const copy = X509_NAME_dup(name);
    if (copy && sk_X509_NAME_push(names.get(), copy) > 0) return true;
    X509_NAME_free(copy);
    return false;
  });
  if (!certificates) return std::unexpected(certificates.error());
  if (*certificates == 0) return std::unexpected("ca.crt holds no PEM certificate");
  if (!crl_pem.empty()) {
    const auto lists = each_pem("ca.crl", crl_pem, [&](BIO* bio) {
      Owned<X509_CRL> crl(PEM_read_bio_X509_CRL(bio, nullptr, nullptr, nullptr));
      return crl && X509_STORE_add_crl(store.get(), crl.get()) == 1;
    });
    if (!lists) return std::unexpected(lists.error());
    if (*lists == 0) return std::unexpected("ca.crl holds no PEM list of revoked certificates");
    // As in nginx each authority of a chain must have a list then.
    X509_STORE_set_flags(store.get(), X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
  }
  return std::make_shared<const ClientAuthority>(std::move(store), std::move(names), digest);
}

std::string text_of(BIO* bio) {
  char* p = nullptr;
  const long size = BIO_get_mem_data(bio, &p);
  return size > 0 ? std::string(p, static_cast<std::size_t>(size)) : std::string();
}

template <class Print>
std::string printed(Print&& print) {
  Owned<BIO> bio(BIO_new(BIO_s_mem()));
  if (!bio) return {};
  print(bio.get());
  return text_of(bio.get());
}

std::string name_text(const X509_NAME* name) {
  return printed([&](BIO* bio) { X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253); });
}

// Those that nginx lets pass for optional_no_ca.
bool is_unknown_authority(int error) noexcept {
  return error == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT || error == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN ||
         error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY || error == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE;
}

class Shown final : public ClientCertificate {
 public:
  Shown(ClientCheck check, Owned<X509> leaf, Owned<STACK_OF(X509)> chain, int error, int level)
      : check_(std::move(check)), leaf_(std::move(leaf)), chain_(std::move(chain)), error_(error), level_(level) {
    if (!leaf_) return;
    subject_ = name_text(X509_get_subject_name(leaf_.get()));
    issuer_ = name_text(X509_get_issuer_name(leaf_.get()));
    serial_ = printed([&](BIO* bio) { i2a_ASN1_INTEGER(bio, X509_get0_serialNumber(leaf_.get())); });
    std::erase_if(serial_, [](char c) { return c == '\\' || c == '\n'; });  // where it is long
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (X509_digest(leaf_.get(), EVP_sha1(), digest, &size) == 1)
      for (unsigned i = 0; i < size; ++i) {
        fingerprint_ += kHexDigits[digest[i] >> 4];
        fingerprint_ += kHexDigits[digest[i] & 15];
      }
    not_before_ = printed([&](BIO* bio) { ASN1_TIME_print(bio, X509_get0_notBefore(leaf_.get())); });
    not_after_ = printed([&](BIO* bio) { ASN1_TIME_print(bio, X509_get0_notAfter(leaf_.get())); });
    settle();
  }

  Verdict verdict() const noexcept override {
    if (!leaf_) return Verdict::none;
    if (error_ == X509_V_OK) return Verdict::good;
    return is_unknown_authority(error_) ? Verdict::unknown_authority : Verdict::bad;
  }
  const ClientCheck& judged_by() const noexcept override { return check_; }
  bool judge_again(const ClientCheck& check) const override;

  std::string_view verify() const noexcept override { return verify_; }
  std::string_view subject() const noexcept override { return subject_; }
  std::string_view issuer() const noexcept override { return issuer_; }
  std::string_view serial() const noexcept override { return serial_; }
  std::string_view fingerprint() const noexcept override { return fingerprint_; }
  std::string_view not_before() const noexcept override { return not_before_; }
  std::string_view not_after() const noexcept override { return not_after_; }
  std::int64_t days_left() const noexcept override {
    int days = 0, seconds = 0;
    if (!leaf_ || ASN1_TIME_diff(&days, &seconds, nullptr, X509_get0_notAfter(leaf_.get())) != 1) return 0;
    return std::max(days, 0);
  }
  std::string_view escaped() const override {
    if (leaf_ && escaped_.empty()) {
      const auto pem = printed([&](BIO* bio) { PEM_write_bio_X509(bio, leaf_.get()); });
      append_encoded(pem, escaped_, [](std::uint8_t c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
               c == '_' || c == '~';
      });
    }
    return escaped_;
  }

 private:
  void settle() const {
    verify_ = error_ == X509_V_OK ? "SUCCESS" : std::string("FAILED:") + X509_verify_cert_error_string(error_);
  }

  mutable ClientCheck check_;
  const Owned<X509> leaf_;             // null: none was shown
  const Owned<STACK_OF(X509)> chain_;  // as it came; null where the session was resumed
  mutable int error_ = X509_V_OK;
  const int level_;  // of security, as the handshake asked for
  mutable std::string verify_ = "NONE";
  std::string subject_, issuer_, serial_, fingerprint_, not_before_, not_after_;
  mutable std::string escaped_;
};

// Errors do not end it, as in the handshake: the last one is the one to tell.
int note_error(int ok, X509_STORE_CTX* context) {
  if (!ok) *static_cast<int*>(X509_STORE_CTX_get_app_data(context)) = X509_STORE_CTX_get_error(context);
  return 1;
}

bool Shown::judge_again(const ClientCheck& check) const {
  if (!leaf_) {
    check_ = check;
    return true;
  }
  ERR_clear_error();
  Owned<X509_STORE_CTX> context(X509_STORE_CTX_new());
  int error = X509_V_OK;
  const bool begun = context &&
                     X509_STORE_CTX_init(context.get(), check.authority->store(), leaf_.get(), chain_.get()) == 1 &&
                     X509_STORE_CTX_set_default(context.get(), "ssl_client") == 1 &&
                     X509_STORE_CTX_set_app_data(context.get(), &error) == 1;
  if (begun) {
    X509_VERIFY_PARAM* const how = X509_STORE_CTX_get0_param(context.get());
    X509_VERIFY_PARAM_set_depth(how, static_cast<int>(check.depth));
    X509_VERIFY_PARAM_set_auth_level(how, level_);
    X509_STORE_CTX_set_verify_cb(context.get(), note_error);
  }
  const bool done = begun && X509_verify_cert(context.get()) == 1;
  ERR_clear_error();
  if (!done || error != X509_V_OK || X509_STORE_CTX_get_error(context.get()) != X509_V_OK) return false;
  check_ = check;
  error_ = X509_V_OK;
  settle();
  return true;
}

}  // namespace

Digest sha256(std::string_view text) {
  Digest out{};
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), out.data(), &size, EVP_sha256(), nullptr);
  return out;
}

std::expected<std::shared_ptr<const ClientAuthority>, std::string> client_authority(const std::string& ca_pem,
                                                                                    const std::string& crl_pem) {
  static std::mutex mutex;
  static std::map<Digest, std::weak_ptr<const ClientAuthority>> known;
  const Digest digest = sha256(std::to_string(ca_pem.size()) + ":" + ca_pem + crl_pem);
  const std::lock_guard lock(mutex);
  if (const auto at = known.find(digest); at != known.end())
    if (auto held = at->second.lock()) return held;
  auto made = read_authority(ca_pem, crl_pem, digest);
  if (!made) return made;
  std::erase_if(known, [](const auto& entry) { return entry.second.expired(); });
  known[digest] = *made;
  return made;
}

std::shared_ptr<const ClientCertificate> client_certificate_of(SSL* ssl, const ClientCheck& check, int worst) {
  Owned<X509> leaf(SSL_get1_peer_certificate(ssl));
  STACK_OF(X509)* const came = SSL_get_peer_cert_chain(ssl);
  Owned<STACK_OF(X509)> chain(came ? X509_chain_up_ref(came) : nullptr);
  int error = static_cast<int>(SSL_get_verify_result(ssl));
  if (error == X509_V_OK) error = worst;
  // The session that is resumed was judged when it was made.
  if (leaf && error == X509_V_OK && SSL_session_reused(ssl) == 1 &&
      X509_cmp_current_time(X509_get0_notAfter(leaf.get())) < 0)
    error = X509_V_ERR_CERT_HAS_EXPIRED;
  return std::make_shared<const Shown>(check, std::move(leaf), std::move(chain), error, SSL_get_security_level(ssl));
}

}  // namespace sluice::net::tls
