#include <openssl/core_names.h>

#include <algorithm>
#include <cstring>
#include <ctime>

#include "net/tls/contexts.h"
#include "net/tls/key_pair.h"

namespace sluice::net::tls {
namespace {

// Those of OpenSSL's default, in the order of Mozilla's guidelines, as ssl-ciphers has it for TLS 1.2 (AES-128 first:
// SHA-256 makes the key schedule of a handshake a tenth cheaper).
constexpr char suites_of_1_3[] = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
// Mozilla's intermediate profile, for a policy that names no ciphers.
constexpr const char* default_ciphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
    "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384";
constexpr const char* default_groups = "X25519:P-256:P-384";
constexpr long cached_sessions = 20'000;
constexpr long most_of_a_client = 32 * 1024;  // bytes of certificates that it shows
// Of hosts that have nothing of their own: such contexts differ in nothing that a session could carry past a check.
constexpr std::string_view common_scope = "sluice";

thread_local const CertificateTable* current_table = nullptr;
thread_local const ContextSource* current_contexts = nullptr;

// RFC 6066 section 3. What is not a plain name is no name: OpenSSL refuses malformed extensions itself right after.
std::string sni_of(SSL* ssl) {
  const unsigned char* p = nullptr;
  std::size_t size = 0;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &p, &size) != 1) return {};
  if (size < 5 || static_cast<std::size_t>(p[0] << 8 | p[1]) != size - 2 || p[2] != TLSEXT_NAMETYPE_host_name)
    return {};
  const std::size_t length = static_cast<std::size_t>(p[3] << 8 | p[4]);
  if (length == 0 || length > 255 || length > size - 5) return {};
  std::string name = lower(std::string_view(reinterpret_cast<const char*>(p) + 5, length));
  if (name.ends_with('.')) name.pop_back();
  const bool plain = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == ':';
  });
  return plain ? name : std::string();
}

bool is_default(const CertificateTable& table, const std::vector<KeyPairPtr>* pairs) noexcept {
  return !pairs || pairs->front() == table.fallback();
}

bool present(SSL* ssl, const KeyPairPtr& pair) noexcept {
  return pair && static_cast<const PemKeyPair&>(*pair).present(ssl);
}

// ffdhe2048 (RFC 7919), whatever the certificate's strength: OpenSSL's automatic choice would take larger groups for
// larger RSA keys, which the intermediate profile does not ask for and which cost the server more than the client.
Owned<EVP_PKEY> dhe_parameters() {
  Owned<EVP_PKEY_CTX> ctx(EVP_PKEY_CTX_new_from_name(nullptr, "DH", nullptr));
  char group[] = "ffdhe2048";
  OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
                         OSSL_PARAM_construct_end()};
  EVP_PKEY* key = nullptr;
  if (ctx && EVP_PKEY_fromdata_init(ctx.get()) == 1)
    EVP_PKEY_fromdata(ctx.get(), &key, EVP_PKEY_KEY_PARAMETERS, params);
  return Owned<EVP_PKEY>(key);
}

}  // namespace

void set_current_table(const CertificateTable* table) noexcept {
  current_table = table;
}

void set_current_contexts(const ContextSource* source) noexcept {
  current_contexts = source;
}

// What an SSL has of its context from its beginning on does not follow by itself.
bool ServerContext::take_over(SSL* ssl, Peer& peer, std::shared_ptr<ServerContext> own) {
  SSL_CTX* const ctx = own->get();
  if (SSL_set_SSL_CTX(ssl, ctx) == nullptr) return false;
  SSL_set_verify(ssl, SSL_CTX_get_verify_mode(ctx), SSL_CTX_get_verify_callback(ctx));
  SSL_set_verify_depth(ssl, SSL_CTX_get_verify_depth(ctx));
  constexpr std::uint64_t preference = SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA;
  SSL_clear_options(ssl, preference);
  SSL_set_options(ssl, SSL_CTX_get_options(ctx) & preference);
  SSL_set_max_cert_list(ssl, SSL_CTX_get_max_cert_list(ctx));
  peer.context = std::move(own);
  return true;
}

// The handshake goes on whatever the certificate is: a client that is told by an alert learns nothing, and its requests
// are answered.
int ServerContext::on_verify(int ok, X509_STORE_CTX* verifying) {
  if (ok) return 1;
  auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(verifying, SSL_get_ex_data_X509_STORE_CTX_idx()));
  if (Peer* peer = ssl ? peer_of(ssl) : nullptr) peer->client_error = X509_STORE_CTX_get_error(verifying);
  return 1;
}

namespace {

// For how many seconds the session of a client that was asked for its certificate may be resumed, which shows none: for
// ssl-session-timeout from when the certificate was verified, and no longer than it is good. 0: not at all, as the
// client may come with another certificate next time.
long may_be_resumed_for(SSL* ssl, const SSL_SESSION* session, long timeout) noexcept {
  const Peer* peer = peer_of(ssl);
  const X509* leaf = SSL_get0_peer_certificate(ssl);
  if (!leaf || !peer || peer->client_error != X509_V_OK || SSL_get_verify_result(ssl) != X509_V_OK) return 0;
  int days = 0, seconds = 0;
  if (ASN1_TIME_diff(&days, &seconds, nullptr, X509_get0_notAfter(leaf)) != 1) return 0;
  const std::int64_t good_for = std::int64_t{days} * 86400 + seconds;
  std::int64_t left = timeout;
  void* data = nullptr;
  std::size_t size = 0;
  std::int64_t verified = 0;
  if (SSL_session_reused(ssl) == 1) {
    if (SSL_SESSION_get0_ticket_appdata(const_cast<SSL_SESSION*>(session), &data, &size) != 1 ||
        size != sizeof verified)
      return 0;
    std::memcpy(&verified, data, size);
    left = verified + timeout - std::int64_t{std::time(nullptr)};
  }
  return static_cast<long>(std::max<std::int64_t>(std::min(left, good_for), 0));
}

// Of no context: whatever a client resumes has another one.
constexpr unsigned char no_scope[] = "never";

}  // namespace

// Before a ticket is made, in TLS 1.3 for sessions that are kept here, too.
int ServerContext::on_new_ticket(SSL* ssl, void*) {
  const auto* self = static_cast<const ServerContext*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), 0));
  if (!self->clients_) return 1;
  SSL_SESSION* session = SSL_get_session(ssl);
  const long time = may_be_resumed_for(ssl, session, SSL_CTX_get_timeout(self->get()));
  if (time <= 0) return SSL_SESSION_set1_id_context(session, no_scope, sizeof no_scope - 1);
  SSL_SESSION_set_timeout(session, time);
  if (SSL_session_reused(ssl) == 1) return 1;
  const std::int64_t now = std::time(nullptr);
  return SSL_SESSION_set1_ticket_appdata(session, &now, sizeof now);
}

// After a session was put into the cache.
int ServerContext::on_new_session(SSL* ssl, SSL_SESSION* session) {
  const auto* self = static_cast<const ServerContext*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), 0));
  const Peer* peer = peer_of(ssl);
  if (!self->clients_ || !peer || !peer->listener || SSL_version(ssl) == TLS1_3_VERSION) return 0;
  const long time = may_be_resumed_for(ssl, session, SSL_CTX_get_timeout(self->get()));
  if (time <= 0)
    SSL_CTX_remove_session(peer->listener, session);
  else
    SSL_SESSION_set_timeout(session, time);
  return 0;
}

// A session is resumed for the name that it was made for and for no other (RFC 6066 section 3). OpenSSL compares this
// before it resumes one, be that of a ticket or of its cache. Who asks for no name has what is common to all.
void ServerContext::bind_session(SSL* ssl, const Peer& peer) {
  if (peer.server_name.empty()) return;
  const auto* self = static_cast<const ServerContext*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), 0));
  char text[sizeof(Digest) + 255];
  const std::size_t size = std::min<std::size_t>(peer.server_name.size(), 255);
  std::memcpy(text, self->scope_.data(), sizeof(Digest));
  std::memcpy(text + sizeof(Digest), peer.server_name.data(), size);
  const Digest scope = sha256({text, sizeof(Digest) + size});
  SSL_set_session_id_context(ssl, scope.data(), static_cast<unsigned>(scope.size()));
}

int ServerContext::on_client_hello(SSL* ssl, int* alert, void*) {
  Peer* peer = peer_of(ssl);
  if (!current_table) {
    *alert = SSL_AD_INTERNAL_ERROR;
    return SSL_CLIENT_HELLO_ERROR;
  }
  peer->server_name = sni_of(ssl);
  const auto* pairs = current_table->find(peer->server_name);
  if (!pairs && current_table->reject_unknown()) {
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    return SSL_CLIENT_HELLO_ERROR;
  }
  peer->default_certificate = is_default(*current_table, pairs);
  if (current_contexts) {
    if (!peer->listener) peer->listener = SSL_get_SSL_CTX(ssl);
    auto own = current_contexts->context_for(peer->server_name);
    // A second ClientHello is the first one again, but for what it was asked for (RFC 8446 section 4.1.2).
    if (peer->context && own != peer->context) {
      *alert = SSL_AD_ILLEGAL_PARAMETER;
      return SSL_CLIENT_HELLO_ERROR;
    }
    if (own && !take_over(ssl, *peer, std::move(own))) {
      *alert = SSL_AD_INTERNAL_ERROR;
      return SSL_CLIENT_HELLO_ERROR;
    }
  }
  bind_session(ssl, *peer);
  return SSL_CLIENT_HELLO_SUCCESS;
}

// Not called when a session is resumed: no certificate is sent then.
int ServerContext::on_certificate(SSL* ssl, void*) {
  Peer* peer = peer_of(ssl);
  if (!current_table) return 0;
  const auto* pairs = current_table->find(peer->server_name);
  bool any = false;
  if (pairs)
    for (const auto& pair : *pairs) any |= present(ssl, pair);
  if (!any) {  // unknown name, or nothing of it passes the security level that the cipher list sets
    peer->default_certificate = true;
    any = present(ssl, current_table->fallback());
  }
  if (any) ERR_clear_error();
  return any ? 1 : 0;
}

int ServerContext::on_alpn(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                           unsigned in_size, void* self) {
  const auto& ours = static_cast<ServerContext*>(self)->alpn_;
  unsigned char* chosen = nullptr;
  const int found = SSL_select_next_proto(&chosen, out_size, reinterpret_cast<const unsigned char*>(ours.data()),
                                          static_cast<unsigned>(ours.size()), in, in_size);
  // RFC 7301 section 3.2: no_application_protocol. Whoever asks for something else alone would not understand us.
  if (found != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

int ServerContext::on_ticket(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
                             int seal) {
  auto* self = static_cast<ServerContext*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), 0));
  const int result = seal_or_open_ticket(*self->tickets_, name, iv, cipher, mac, seal == 1);
  // TLS 1.3 tickets are for one use (RFC 8446 appendix C.4): 2 has OpenSSL send the next one.
  return result == 1 && seal == 0 && SSL_version(ssl) == TLS1_3_VERSION ? 2 : result;
}

std::expected<std::shared_ptr<ServerContext>, std::string> make_server_context(const ServerPolicy& policy) {
  ERR_clear_error();
  auto self = std::make_shared<ServerContext>();
  self->ctx_.reset(SSL_CTX_new(TLS_server_method()));
  SSL_CTX* ctx = self->get();
  if (!ctx) return std::unexpected("no TLS context: " + take_openssl_error());
  SSL_CTX_set_ex_data(ctx, 0, self.get());

  // Level 1 (80 bits) like the OpenSSL that ingress-nginx ships; "@SECLEVEL=n" in the cipher list changes it.
  SSL_CTX_set_security_level(ctx, 1);
  if (auto ok = set_protocols(ctx, policy.protocols); !ok) return std::unexpected("ssl-protocols: " + ok.error());
  const char* ciphers = policy.ciphers.empty() ? default_ciphers : policy.ciphers.c_str();
  if (SSL_CTX_set_cipher_list(ctx, ciphers) != 1)
    return std::unexpected("ssl-ciphers: no known cipher in \"" + policy.ciphers.substr(0, 200) + "\"");
  if (SSL_CTX_set_ciphersuites(ctx, suites_of_1_3) != 1)
    return std::unexpected("no cipher suites of TLS 1.3: " + take_openssl_error());
  const bool automatic = policy.curves.empty() || policy.curves == "auto";
  if (SSL_CTX_set1_groups_list(ctx, automatic ? default_groups : policy.curves.c_str()) != 1)
    return std::unexpected("ssl-ecdh-curve: unknown curve in \"" + policy.curves.substr(0, 200) +
                           "\", expected for example \"X25519:P-256\" or \"auto\"");
  if (auto dhe = dhe_parameters(); dhe && SSL_CTX_set0_tmp_dh_pkey(ctx, dhe.get()) == 1) dhe.release();

  SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  if (policy.prefer_server_ciphers)
    SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
  // Without it SSL_read returns after a record that carries no data, so that it never starts on half a record.
  SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
  SSL_CTX_set_max_early_data(ctx, 0);

  auto tickets = TicketKeys::shared(policy.ticket_key);
  if (!tickets) return std::unexpected("ssl-session-ticket-key: " + tickets.error());
  self->tickets_ = std::move(*tickets);
  const auto timeout = std::clamp<std::int64_t>(policy.session_timeout, 1, 7 * 86400);  // RFC 8446 section 4.6.1
  self->tickets_->set_period(std::chrono::seconds(timeout));
  SSL_CTX_set_timeout(ctx, static_cast<long>(timeout));
  // It is made of the texts: other replicas with the same ticket key have the same.
  std::string scope(common_scope);
  if (!policy.scope.empty()) scope += "/" + policy.scope;
  if (policy.clients) {
    const Digest& authority = policy.clients->authority->digest();
    scope += "/" + std::to_string(policy.clients->depth) + "/";
    scope.append(reinterpret_cast<const char*>(authority.data()), authority.size());
  }
  self->scope_ = sha256(scope);
  SSL_CTX_set_session_id_context(ctx, self->scope_.data(), static_cast<unsigned>(self->scope_.size()));
  if (policy.clients) {
    self->clients_ = policy.clients;
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, ServerContext::on_verify);
    SSL_CTX_set_verify_depth(ctx, static_cast<int>(std::min<std::uint32_t>(policy.clients->depth, 100)));
    SSL_CTX_set1_cert_store(ctx, policy.clients->authority->store());
    SSL_CTX_set_client_CA_list(ctx, SSL_dup_CA_list(policy.clients->authority->names()));
    SSL_CTX_set_max_cert_list(ctx, most_of_a_client);
  }
  SSL_CTX_set_session_cache_mode(ctx, policy.session_cache ? SSL_SESS_CACHE_SERVER : SSL_SESS_CACHE_OFF);
  SSL_CTX_sess_set_cache_size(ctx, cached_sessions);
  // OpenSSL asks those of the context that the handshake began with.
  SSL_CTX_set_session_ticket_cb(ctx, ServerContext::on_new_ticket, nullptr, nullptr);
  SSL_CTX_sess_set_new_cb(ctx, ServerContext::on_new_session);
  if (policy.session_tickets) {
    SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, ServerContext::on_ticket);
  } else {
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    if (!policy.session_cache) SSL_CTX_set_num_tickets(ctx, 0);
  }

  for (const auto& protocol : policy.alpn) {
    if (protocol.empty() || protocol.size() > 255) continue;
    self->alpn_ += static_cast<char>(protocol.size());
    self->alpn_ += protocol;
  }
  if (!self->alpn_.empty()) SSL_CTX_set_alpn_select_cb(ctx, ServerContext::on_alpn, self.get());
  SSL_CTX_set_client_hello_cb(ctx, ServerContext::on_client_hello, self.get());
  SSL_CTX_set_cert_cb(ctx, ServerContext::on_certificate, self.get());
  ERR_clear_error();
  return self;
}

}  // namespace sluice::net::tls
