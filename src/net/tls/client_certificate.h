#pragma once
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

// Certificates of clients: who may have issued them, and what one is worth.
namespace sluice::net::tls {

// Authorities, with what they have revoked. Immutable, any thread.
class ClientAuthority;

// `ca_pem`: certificates; `crl_pem`: lists of revoked ones, or empty: then nothing is. Who asks for the same texts gets
// the same object for as long as anybody holds it. Takes a lock: not on the path of a request. On error the string says
// what is wrong, by the name of the key in the Secret ("ca.crt holds no PEM certificate").
std::expected<std::shared_ptr<const ClientAuthority>, std::string> client_authority(const std::string& ca_pem,
                                                                                    const std::string& crl_pem);

// By what the certificate of a client is judged.
struct ClientCheck {
  std::shared_ptr<const ClientAuthority> authority;  // not null
  std::uint32_t depth = 1;                           // of the chain, as OpenSSL counts it
  bool operator==(const ClientCheck&) const = default;
};

// What a client showed when it was asked for a certificate, and what that is worth. It belongs to a connection and is
// used by one thread. Views live as long as it.
class ClientCertificate {
 public:
  enum class Verdict : std::uint8_t {
    none,               // it showed none
    good,               //
    unknown_authority,  // none of ours has issued it; nothing else is wrong
    bad,
  };
  virtual ~ClientCertificate() = default;
  virtual Verdict verdict() const noexcept = 0;
  virtual const ClientCheck& judged_by() const noexcept = 0;
  // Judges it by another check, which takes as long as verifying a chain does (some 100 us). True: it is good, or there
  // is none; from then on that is its check. False: nothing has changed.
  virtual bool judge_again(const ClientCheck& check) const = 0;

  // As nginx's variables have it; empty where there is no certificate, but for the first.
  virtual std::string_view verify() const noexcept = 0;       // "NONE", "SUCCESS", "FAILED:reason"
  virtual std::string_view subject() const noexcept = 0;      // RFC 2253
  virtual std::string_view issuer() const noexcept = 0;       // likewise
  virtual std::string_view serial() const noexcept = 0;       // upper-case hexadecimal
  virtual std::string_view fingerprint() const noexcept = 0;  // SHA-1, lower-case hexadecimal
  virtual std::string_view not_before() const noexcept = 0;   // "Nov 23 20:00:52 2026 GMT"
  virtual std::string_view not_after() const noexcept = 0;
  virtual std::int64_t days_left() const noexcept = 0;  // 0: it has expired, or there is none
  virtual std::string_view escaped() const = 0;         // PEM, percent-encoded; made when first asked for
};

}  // namespace sluice::net::tls
