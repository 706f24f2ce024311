#pragma once
#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "net/tls/client_certificate.h"

typedef struct ssl_ctx_st SSL_CTX;
typedef struct ssl_st SSL;

// TLS by OpenSSL over non-blocking descriptors, without asio's ssl::stream: ciphertext goes through per-thread scratch
// buffers, so that an idle connection holds little more than its SSL object.
namespace sluice::net::tls {

// A certificate chain with its key, parsed and checked against each other. Immutable, shared by threads.
class KeyPair {
 public:
  virtual ~KeyPair() = default;
  // By SAN, one-label wildcards included (RFC 6125); by the CN when no SAN is a DNS name. `host` may be a wildcard.
  virtual bool covers(std::string_view host) const = 0;
  virtual std::int64_t not_before() const = 0;  // Unix seconds
  virtual std::int64_t not_after() const = 0;
  virtual std::string_view key_type() const = 0;   // "RSA", "ECDSA", "Ed25519"
  virtual std::string serial() const = 0;          // hexadecimal
  virtual std::string serial_decimal() const = 0;  // the same number as Go prints it
  virtual std::string issuer() const = 0;          // one line
  // The first of the issuer's fields of each kind; empty: it has none.
  struct Issuer {
    std::string common_name, organization, serial_number;
  };
  virtual Issuer issuer_fields() const = 0;
  virtual std::string chain_pem() const = 0;           // the certificate and what it was sent with, never the key
  virtual std::vector<std::string> names() const = 0;  // SANs
  // What clients expect of it in vain, so that none of them takes it; empty: nothing.
  virtual std::string_view unfit() const { return {}; }
};
using KeyPairPtr = std::shared_ptr<const KeyPair>;

// On error the string says what is wrong with it, without quoting key material ("tls.key does not match tls.crt").
std::expected<KeyPairPtr, std::string> parse_key_pair(std::string_view chain_pem, std::string_view key_pem);
// A self-signed ECDSA P-256 certificate with CN and SAN "sluice.default", valid for a year.
KeyPairPtr self_signed();

// Name → pairs, immutable; built from the previous one at the cost of what changed (sharded by hash).
class CertificateTable {
 public:
  virtual ~CertificateTable() = default;
  // `name`: lower case without trailing dot. Exact first, then the one-label wildcard; else null.
  // At most one pair a key type; ECDSA first.
  virtual const std::vector<KeyPairPtr>* find(std::string_view name) const noexcept = 0;
  virtual const KeyPairPtr& fallback() const noexcept = 0;  // the default certificate
  virtual bool reject_unknown() const noexcept = 0;         // ssl-reject-handshake: unknown names get an alert
};
struct CertificateChange {
  std::string name;               // host name, "*.x" allowed
  std::vector<KeyPairPtr> pairs;  // empty: removed
};
std::shared_ptr<const CertificateTable> make_table(const CertificateTable* previous,
                                                   const std::vector<CertificateChange>& changes, KeyPairPtr fallback,
                                                   bool reject_unknown);

// What handshakes allow: one SSL_CTX for all hosts that allow the same, the certificate chosen in the ClientHello
// callback.
struct ServerPolicy {
  std::string protocols = "TLSv1.2 TLSv1.3";
  std::string ciphers;                // OpenSSL list, TLS 1.2
  bool prefer_server_ciphers = true;  // our order counts, not the client's
  std::string curves = "auto";
  std::optional<ClientCheck> clients;  // clients are asked for a certificate, and none is refused for it here
  // Sessions are resumed among contexts of one scope and one check of clients alone. "": the scope of hosts that have
  // nothing of their own.
  std::string scope;
  bool session_cache = true;
  bool session_tickets = true;
  // 80 raw bytes (name, HMAC key, AES key as nginx reads them), never rotated; or empty: random keys of this process, a
  // new one each session_timeout with the two before it still accepted. Contexts with equal keys open each other's
  // tickets.
  std::string ticket_key;
  std::int64_t session_timeout = 600;         // seconds
  std::vector<std::string> alpn{"http/1.1"};  // in order of preference
  bool operator==(const ServerPolicy&) const = default;
};
// Threads may share it. `table` is asked for at each handshake on the calling thread; see set_current_table.
class ServerContext;
std::expected<std::shared_ptr<ServerContext>, std::string> make_server_context(const ServerPolicy& policy);
// The table that handshakes of the calling thread use from now on; must outlive them or be replaced first.
void set_current_table(const CertificateTable* table) noexcept;

// Which names have a context of their own.
class ContextSource {
 public:
  virtual ~ContextSource() = default;
  // `server_name`: of the ClientHello, in lower case; "" when there is none. Null: that of the listener.
  virtual std::shared_ptr<ServerContext> context_for(std::string_view server_name) const noexcept = 0;
};
// Likewise for handshakes of the calling thread; null: all have that of their listener. They may change protocols,
// curves, ALPN and tickets of no connection: those are the listener's.
void set_current_contexts(const ContextSource* source) noexcept;

struct ClientPolicy {
  bool verify = false;
  std::uint32_t verify_depth = 1;
  std::string ca_pem;  // empty with verify: the system's store
  std::string certificate_pem, key_pem;
  std::string protocols = "TLSv1.2 TLSv1.3";
  std::string ciphers = "DEFAULT";
};
class ClientContext;
std::expected<std::shared_ptr<ClientContext>, std::string> make_client_context(const ClientPolicy& policy);

enum class Io : std::uint8_t {
  done,
  again_read,
  again_write,
  closed,
  failed
};  // again_x: wait until the socket is readable/writable
struct IoResult {
  Io io = Io::done;
  std::size_t bytes = 0;
};

// One TLS connection over `fd` (not owned, non-blocking). Used by one thread at a time.
class Session {
 public:
  // Null when memory lacks.
  static std::unique_ptr<Session> server(const std::shared_ptr<ServerContext>& context, int fd);
  // `server_name`: sent as SNI when send_sni; verified when the policy verifies. `alpn`: the one protocol offered,
  // empty: none; a peer may choose it or nothing.
  static std::unique_ptr<Session> client(const std::shared_ptr<ClientContext>& context, int fd,
                                         const std::string& server_name, bool send_sni, std::string_view alpn = {});
  virtual ~Session() = default;

  // done, again_read, again_write, closed (the peer left) or failed. again_read has seen the socket empty. Tickets of
  // TLS 1.3 are held back when data came with the last flight of the client: they leave with the next write, or when
  // read() finds nothing.
  virtual Io handshake() = 0;
  // Decrypts into `out` what is there, up to its size: as many records as one receive brought. done with bytes > 0;
  // closed on close_notify or end of file (see clean_end()). Ciphertext that could not be used yet is moved to storage
  // of this session before it returns: nothing of it stays in the thread's scratch.
  virtual IoResult read(char* out, std::size_t size) = 0;
  // Encrypts and sends. Takes all bytes or none: while ciphertext of an earlier call is unsent it first flushes that
  // and answers again_write with bytes 0. After done, unsent ciphertext may remain (pending_write()); call flush() when
  // writable.
  virtual IoResult write(const iovec* parts, int count) = 0;
  virtual Io flush() = 0;
  virtual std::size_t unsent() const noexcept = 0;
  virtual std::size_t held() const noexcept = 0;  // bytes of memory that unsent and incomplete records take
  virtual bool pending_write() const noexcept = 0;
  // Decrypted or undecrypted bytes wait inside: read() makes progress without the socket.
  virtual bool pending_read() const noexcept = 0;
  // The last read() or handshake() received less than it could take: the socket is empty until its next edge. False
  // when that call needed no receive, since edges may have come in between.
  virtual bool drained() const noexcept = 0;
  virtual void shutdown() = 0;                  // sends close_notify if it can be sent at once
  virtual void last_write() noexcept = 0;       // the next write() ends with close_notify, in the same send
  virtual bool clean_end() const noexcept = 0;  // the peer said close_notify
  virtual bool resumed() const noexcept = 0;
  virtual std::string_view alpn() const noexcept = 0;
  virtual std::string_view server_name() const noexcept = 0;  // SNI in lower case without trailing dot; "" when none
  virtual std::string_view version() const noexcept = 0;      // "TLSv1.3"
  virtual std::string_view cipher() const noexcept = 0;
  virtual bool default_certificate() const noexcept = 0;  // the fallback was presented
  // What the client showed, once the handshake is over; null: it was not asked for a certificate.
  virtual std::shared_ptr<const ClientCertificate> client_certificate() const = 0;
  // What came first, where it can begin no record of TLS but a request in plain text, which may be told so in plain
  // text, too; 0: no text.
  virtual char text_of_peer() const noexcept = 0;
  virtual std::string error() const = 0;  // of the last failed call, one line for logs
};

}  // namespace sluice::net::tls
