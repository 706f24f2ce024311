#pragma once
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <string>

#include "net/tls/openssl.h"
#include "net/tls/tls.h"

// Certificates made on the spot, OpenSSL's own client, and loops that drive both ends of a connection in one thread.
namespace sluice::net::tls::test {

struct Identity {
  Owned<EVP_PKEY> key;
  Owned<X509> certificate;
  std::string key_pem, certificate_pem;
};

struct Wish {
  std::string type = "EC";  // EC, secp256k1, RSA, RSA1024, RSA512, Ed25519, Ed448
  std::string cn = "test";
  std::string san{};  // "DNS:a.example,IP:10.0.0.1"; "" for none
  const Identity* issuer = nullptr;
  bool ca = false;
  long from = -3600, until = 86400;  // seconds from now
  std::string usage{}, extended_usage{};
  std::string unknown{};  // what an extension that nobody knows says: "critical,DER:0500"
};

inline Owned<EVP_PKEY> make_key(const std::string& type) {
  if (type == "EC") return Owned<EVP_PKEY>(EVP_EC_gen("P-256"));
  if (type == "RSA") return Owned<EVP_PKEY>(EVP_RSA_gen(2048));
  if (type == "secp256k1") return Owned<EVP_PKEY>(EVP_EC_gen("secp256k1"));
  if (type == "RSA1024") return Owned<EVP_PKEY>(EVP_RSA_gen(1024));
  if (type == "RSA512") return Owned<EVP_PKEY>(EVP_RSA_gen(512));
  return Owned<EVP_PKEY>(EVP_PKEY_Q_keygen(nullptr, nullptr, type == "Ed25519" ? "ED25519" : "ED448"));
}

inline std::string pem_of(const std::function<void(BIO*)>& write) {
  Owned<BIO> bio(BIO_new(BIO_s_mem()));
  write(bio.get());
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<std::size_t>(size));
}

inline Identity make_identity(const Wish& wish) {
  static long serial = 1000;
  Identity made;
  made.key = make_key(wish.type);
  made.certificate.reset(X509_new());
  X509* x = made.certificate.get();
  X509_set_version(x, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(x), wish.from);
  X509_gmtime_adj(X509_getm_notAfter(x), wish.until);
  X509_set_pubkey(x, made.key.get());
  X509_NAME* subject = X509_get_subject_name(x);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(wish.cn.c_str()), -1,
                             -1, 0);
  X509* issuer = wish.issuer ? wish.issuer->certificate.get() : x;
  X509_set_issuer_name(x, X509_get_subject_name(issuer));
  X509V3_CTX v3;
  X509V3_set_ctx_nodb(&v3);
  X509V3_set_ctx(&v3, issuer, x, nullptr, nullptr, 0);
  auto add = [&](int nid, const std::string& value) {
    X509_EXTENSION* e = X509V3_EXT_conf_nid(nullptr, &v3, nid, value.c_str());
    ASSERT_TRUE(e) << value;
    X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
  };
  if (!wish.san.empty()) add(NID_subject_alt_name, wish.san);
  if (!wish.usage.empty()) add(NID_key_usage, wish.usage);
  if (!wish.extended_usage.empty()) add(NID_ext_key_usage, wish.extended_usage);
  if (!wish.unknown.empty()) {
    X509_EXTENSION* e = X509V3_EXT_nconf(nullptr, &v3, "1.2.3.4", wish.unknown.c_str());
    EXPECT_TRUE(e) << wish.unknown;
    X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
  }
  add(NID_basic_constraints, wish.ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
  EVP_PKEY* signer = wish.issuer ? wish.issuer->key.get() : made.key.get();
  const bool edwards = EVP_PKEY_is_a(signer, "ED25519") || EVP_PKEY_is_a(signer, "ED448");
  EXPECT_GT(X509_sign(x, signer, edwards ? nullptr : EVP_sha256()), 0);
  made.certificate_pem = pem_of([&](BIO* b) { PEM_write_bio_X509(b, x); });
  made.key_pem =
      pem_of([&](BIO* b) { PEM_write_bio_PrivateKey(b, made.key.get(), nullptr, nullptr, 0, nullptr, nullptr); });
  return made;
}

inline KeyPairPtr make_pair_of(const Wish& wish) {
  const Identity id = make_identity(wish);
  auto pair = parse_key_pair(id.certificate_pem, id.key_pem);
  EXPECT_TRUE(pair) << (pair ? "" : pair.error());
  return pair ? *pair : nullptr;
}

// Two connected, non-blocking descriptors: loopback TCP, or local sockets with the smallest buffers there are.
struct Wire {
  int a = -1, b = -1;
  explicit Wire(bool small = false) {
    if (small) {
      int both[2];
      EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, both), 0);
      a = both[0], b = both[1];
    } else {
      const int listener = socket(AF_INET, SOCK_STREAM, 0);
      sockaddr_in at{};
      at.sin_family = AF_INET;
      at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      socklen_t size = sizeof at;
      EXPECT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&at), size), 0);
      EXPECT_EQ(listen(listener, 1), 0);
      getsockname(listener, reinterpret_cast<sockaddr*>(&at), &size);
      a = socket(AF_INET, SOCK_STREAM, 0);
      EXPECT_EQ(connect(a, reinterpret_cast<sockaddr*>(&at), size), 0);
      b = accept(listener, nullptr, nullptr);
      close(listener);
    }
    for (int fd : {a, b}) {
      fcntl(fd, F_SETFL, O_NONBLOCK);
      const int one = 1;
      small ? setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &one, sizeof one)
            : setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    }
  }
  ~Wire() {
    close_a();
    close_b();
  }
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;
  void close_a() {
    if (a >= 0) close(std::exchange(a, -1));
  }
  void close_b() {
    if (b >= 0) close(std::exchange(b, -1));
  }
};

// Steps until `done`; the test fails when a minute passes first.
inline bool until(const std::function<bool()>& done) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!done())
    if (std::chrono::steady_clock::now() > end) return false;
  return true;
}

// OpenSSL's client, as strangers use it.
struct Client {
  Owned<SSL_CTX> ctx{SSL_CTX_new(TLS_client_method())};
  Owned<SSL> ssl;
  Owned<SSL_SESSION> session;  // the last one the server gave

  Client() {
    SSL_CTX_set_session_cache_mode(ctx.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_set_app_data(ctx.get(), this);
    SSL_CTX_sess_set_new_cb(ctx.get(), [](SSL* s, SSL_SESSION* given) {
      static_cast<Client*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(s)))->session.reset(given);
      return 1;
    });
  }
  void open(int fd, const char* name) {
    ssl.reset(SSL_new(ctx.get()));
    SSL_set_fd(ssl.get(), fd);
    SSL_set_mode(ssl.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (name) SSL_set_tlsext_host_name(ssl.get(), name);
    SSL_set_connect_state(ssl.get());
  }
  // 1 done, 0 goes on, -1 failed
  int step() {
    ERR_clear_error();
    const int r = SSL_do_handshake(ssl.get());
    if (r == 1) return 1;
    const int e = SSL_get_error(ssl.get(), r);
    return e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE ? 0 : -1;
  }
  std::string serial() const {
    X509* x = SSL_get0_peer_certificate(ssl.get());
    if (!x) return "";
    BIGNUM* n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), nullptr);
    char* hex = BN_bn2hex(n);
    std::string s = hex;
    OPENSSL_free(hex);
    BN_free(n);
    return s;
  }
};

// Handshakes both ends; true when both are done.
inline bool shake(Session& server, Client& client) {
  int c = 0;
  Io s = Io::again_read;
  until([&] {
    if (c == 0) c = client.step();
    if (s == Io::again_read || s == Io::again_write) s = server.handshake();
    return (c != 0 && s == Io::done) || c < 0 || s == Io::failed || s == Io::closed;
  });
  if (c < 0 && s != Io::done) server.handshake();
  if (c == 0) c = client.step();
  return c == 1 && s == Io::done;
}

inline bool shake(Session& server, Session& client) {
  Io c = Io::again_read, s = Io::again_read;
  auto open = [](Io io) { return io == Io::again_read || io == Io::again_write; };
  until([&] {
    if (open(c)) c = client.handshake();
    if (open(s)) s = server.handshake();
    return (!open(c) && !open(s)) || c == Io::failed || s == Io::failed;
  });
  if (open(s)) server.handshake();
  return c == Io::done && s == Io::done;
}

// Lets the client read one byte from the server, which also brings it the tickets of TLS 1.3.
inline bool exchange_byte(Session& server, Client& client) {
  char byte = 'x';
  const iovec part{&byte, 1};
  if (server.write(&part, 1).io != Io::done) return false;
  char got = 0;
  return until([&] { return SSL_read(client.ssl.get(), &got, 1) == 1; }) && got == 'x';
}

inline std::shared_ptr<ServerContext> server_context(const ServerPolicy& policy = {}) {
  auto made = make_server_context(policy);
  EXPECT_TRUE(made) << (made ? "" : made.error());
  return made ? *made : nullptr;
}

inline ServerPolicy only(const char* protocol) {
  ServerPolicy policy;
  policy.protocols = protocol;
  return policy;
}

// Deterministic bytes without a period that buffer sizes could hide behind.
inline std::string noise(std::size_t size, std::uint64_t seed) {
  std::string out(size, '\0');
  std::uint64_t x = seed * 0x9e3779b97f4a7c15ULL + 1;
  for (char& c : out) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    c = static_cast<char>(x >> 32);
  }
  return out;
}

}  // namespace sluice::net::tls::test
