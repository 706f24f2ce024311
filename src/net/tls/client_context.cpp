#include <openssl/pem.h>

#include <algorithm>

#include "net/tls/contexts.h"
#include "net/tls/key_pair.h"

namespace sluice::net::tls {
namespace {

constexpr std::size_t max_sessions = 1024;
constexpr std::size_t max_ca_pem = 1 << 20;

std::expected<void, std::string> trust(SSL_CTX* ctx, const std::string& pem) {
  if (pem.size() > max_ca_pem) return std::unexpected("ca.crt is larger than 1 MiB");
  Owned<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  X509_STORE* store = SSL_CTX_get_cert_store(ctx);
  std::size_t count = 0;
  for (;; ++count) {
    Owned<X509> x(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    if (!x) break;
    if (X509_STORE_add_cert(store, x.get()) != 1) return std::unexpected("ca.crt: " + take_openssl_error());
  }
  const unsigned long e = ERR_peek_last_error();
  if (ERR_GET_LIB(e) != ERR_LIB_PEM || ERR_GET_REASON(e) != PEM_R_NO_START_LINE)
    return std::unexpected("ca.crt: certificate " + std::to_string(count + 1) +
                           " cannot be read: " + take_openssl_error());
  ERR_clear_error();
  if (count == 0) return std::unexpected("ca.crt holds no PEM certificate");
  return {};
}

}  // namespace

std::expected<std::shared_ptr<ClientContext>, std::string> make_client_context(const ClientPolicy& policy) {
  ERR_clear_error();
  auto self = std::make_shared<ClientContext>();
  self->ctx_.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* ctx = self->get();
  if (!ctx) return std::unexpected("no TLS context: " + take_openssl_error());
  SSL_CTX_set_ex_data(ctx, 0, self.get());
  SSL_CTX_set_security_level(ctx, 1);
  if (auto ok = set_protocols(ctx, policy.protocols); !ok) return std::unexpected("proxy-ssl-protocols: " + ok.error());
  if (!policy.ciphers.empty() && SSL_CTX_set_cipher_list(ctx, policy.ciphers.c_str()) != 1)
    return std::unexpected("proxy-ssl-ciphers: no known cipher in \"" + policy.ciphers.substr(0, 200) + "\"");

  SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);

  self->verify_ = policy.verify;
  if (policy.verify) {
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_verify_depth(ctx, static_cast<int>(std::min<std::uint32_t>(policy.verify_depth, 100)));
    if (policy.ca_pem.empty()) {
      SSL_CTX_set_default_verify_paths(ctx);
    } else if (auto ok = trust(ctx, policy.ca_pem); !ok) {
      return std::unexpected(std::move(ok.error()));
    }
  } else {
    SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, nullptr);
  }
  if (!policy.certificate_pem.empty() || !policy.key_pem.empty()) {
    auto pair = parse_key_pair(policy.certificate_pem, policy.key_pem);
    if (!pair) return std::unexpected(std::move(pair.error()));
    const auto& own = static_cast<const PemKeyPair&>(**pair);
    if (SSL_CTX_use_cert_and_key(ctx, own.leaf(), own.key(), own.chain(), 1) != 1)
      return std::unexpected("client certificate: " + take_openssl_error());
  }
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(ctx, ClientContext::on_new_session);
  ERR_clear_error();
  return self;
}

int ClientContext::on_new_session(SSL* ssl, SSL_SESSION* session) {
  auto* self = static_cast<ClientContext*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), 0));
  const Peer* peer = peer_of(ssl);
  if (!peer || peer->session_key.empty() || SSL_SESSION_is_resumable(session) != 1) return 0;
  Owned<SSL_SESSION> owned(session);  // the reference that a return of 1 keeps
  std::lock_guard lock(self->mutex_);
  if (self->sessions_.size() >= max_sessions && !self->sessions_.contains(peer->session_key))
    self->sessions_.erase(self->sessions_.begin());
  self->sessions_.insert_or_assign(peer->session_key, std::move(owned));
  return 1;
}

void ClientContext::offer(SSL* ssl, const std::string& key) {
  std::lock_guard lock(mutex_);
  const auto it = sessions_.find(key);
  if (it == sessions_.end()) return;
  if (SSL_SESSION_is_resumable(it->second.get()) == 1) {
    SSL_set_session(ssl, it->second.get());
  } else {
    sessions_.erase(it);
  }
}

}  // namespace sluice::net::tls
