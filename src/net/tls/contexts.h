#pragma once
#include <mutex>

#include "base/strings.h"
#include "net/tls/client_authority.h"
#include "net/tls/openssl.h"
#include "net/tls/ticket_keys.h"
#include "net/tls/tls.h"

namespace sluice::net::tls {

class ServerContext;

// What a handshake learns; the application data of each SSL object.
struct Peer {
  std::string server_name;  // SNI that came (server) or the name asked for (client)
  std::string session_key;  // client: where the session for the next connection is kept
  bool default_certificate = false;
  int client_error = 0;                    // the last that verifying the client's certificate met
  SSL_CTX* listener = nullptr;             // server: keeps the sessions
  std::shared_ptr<ServerContext> context;  // of the name that was asked for; null: the listener's
};
inline Peer* peer_of(const SSL* ssl) noexcept {
  return static_cast<Peer*>(SSL_get_ex_data(ssl, 0));
}

class ServerContext {
 public:
  ServerContext() = default;
  SSL_CTX* get() const noexcept { return ctx_.get(); }
  const std::optional<ClientCheck>& clients() const noexcept { return clients_; }

 private:
  friend std::expected<std::shared_ptr<ServerContext>, std::string> make_server_context(const ServerPolicy&);
  static int on_client_hello(SSL* ssl, int* alert, void* self);
  static bool take_over(SSL* ssl, Peer& peer, std::shared_ptr<ServerContext> own);
  static void bind_session(SSL* ssl, const Peer& peer);
  static int on_verify(int ok, X509_STORE_CTX* verifying);
  static int on_new_ticket(SSL* ssl, void*);
  static int on_new_session(SSL* ssl, SSL_SESSION* session);
  static int on_certificate(SSL* ssl, void* self);
  static int on_alpn(SSL* ssl, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                     unsigned in_size, void* self);
  static int on_ticket(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
                       int seal);

  Owned<SSL_CTX> ctx_;
  std::shared_ptr<TicketKeys> tickets_;
  std::string alpn_;  // in the form of the wire
  Digest scope_{};    // what sessions of all its names have in common
  std::optional<ClientCheck> clients_;
};

class ClientContext {
 public:
  ClientContext() = default;
  SSL_CTX* get() const noexcept { return ctx_.get(); }
  bool verifies() const noexcept { return verify_; }
  // Offers the session kept for the key, if any.
  void offer(SSL* ssl, const std::string& key);

 private:
  friend std::expected<std::shared_ptr<ClientContext>, std::string> make_client_context(const ClientPolicy&);
  static int on_new_session(SSL* ssl, SSL_SESSION* session);

  Owned<SSL_CTX> ctx_;
  bool verify_ = false;
  std::mutex mutex_;
  StringMap<Owned<SSL_SESSION>> sessions_;
};

}  // namespace sluice::net::tls
