#include "support.h"

namespace sluice::net::tls {
namespace {

using namespace test;

class ClientSide : public testing::Test {
 protected:
  ClientSide() { set_current_table(table_.get()); }
  ~ClientSide() override { set_current_table(nullptr); }

  struct Outcome {
    bool ok;
    std::string error, sni;
    bool resumed;
  };
  Outcome connect(const std::shared_ptr<ClientContext>& context, const std::string& name, bool sni = true) {
    wire_ = std::make_unique<Wire>();
    server_ = Session::server(server_context_, wire_->b);
    client_ = Session::client(context, wire_->a, name, sni);
    const bool ok = shake(*server_, *client_);
    if (ok) {
      char byte = 'x';
      const iovec part{&byte, 1};
      EXPECT_EQ(server_->write(&part, 1).io, Io::done);
      EXPECT_TRUE(until([&] { return client_->read(&byte, 1).io == Io::done; }));
    }
    return {ok, client_->error(), std::string(server_->server_name()), client_->resumed()};
  }
  std::shared_ptr<ClientContext> context(const ClientPolicy& policy) {
    auto made = make_client_context(policy);
    EXPECT_TRUE(made) << (made ? "" : made.error());
    return made ? *made : nullptr;
  }
  ClientPolicy verifying() const {
    ClientPolicy policy;
    policy.verify = true;
    policy.verify_depth = 2;
    policy.ca_pem = root_.certificate_pem;
    return policy;
  }
  KeyPairPtr issued(const std::string& san, long until_seconds = 86400) {
    const Identity leaf = make_identity({.san = san, .issuer = &root_, .from = -7200, .until = until_seconds});
    auto pair = parse_key_pair(leaf.certificate_pem, leaf.key_pem);
    EXPECT_TRUE(pair);
    return *pair;
  }

  Identity root_ = make_identity({.cn = "root", .ca = true});
  Identity stranger_ = make_identity({.cn = "stranger", .ca = true});
  std::shared_ptr<const CertificateTable> table_ = make_table(
      nullptr,
      {{"good.example", {issued("DNS:good.example")}}, {"expired.example", {issued("DNS:expired.example", -60)}}},
      issued("DNS:pod.example,IP:127.0.0.1"), false);
  std::shared_ptr<ServerContext> server_context_ = server_context();
  std::unique_ptr<Wire> wire_;
  std::unique_ptr<Session> server_, client_;
};

TEST_F(ClientSide, WithoutVerificationAnyCertificateWillDo) {
  const auto c = context({});
  const auto o = connect(c, "whatever.example");
  EXPECT_TRUE(o.ok) << o.error;
  EXPECT_EQ(o.sni, "whatever.example");
  EXPECT_EQ(connect(c, "whatever.example", false).sni, "");
}

TEST_F(ClientSide, VerificationChecksNameChainAndTime) {
  const auto c = context(verifying());
  auto o = connect(c, "good.example");
  EXPECT_TRUE(o.ok) << o.error;
  o = connect(c, "other.example");
  EXPECT_FALSE(o.ok);
  EXPECT_EQ(o.error, "handshake: certificate verify failed: hostname mismatch");
  o = connect(c, "expired.example");
  EXPECT_FALSE(o.ok);
  EXPECT_EQ(o.error, "handshake: certificate verify failed: certificate has expired");
  auto policy = verifying();
  policy.ca_pem = stranger_.certificate_pem;
  o = connect(context(policy), "good.example");
  EXPECT_FALSE(o.ok);
  EXPECT_EQ(o.error, "handshake: certificate verify failed: unable to get local issuer certificate");
  EXPECT_TRUE(server_->error().starts_with("handshake: ")) << server_->error();
}

TEST_F(ClientSide, AddressesAreVerifiedButNeverSentAsSni) {
  const auto c = context(verifying());
  auto o = connect(c, "127.0.0.1");
  EXPECT_TRUE(o.ok) << o.error;
  EXPECT_EQ(o.sni, "");
  o = connect(c, "[::1]");
  EXPECT_FALSE(o.ok);
  EXPECT_EQ(o.error, "handshake: certificate verify failed: IP address mismatch");
}

TEST_F(ClientSide, VerificationWithoutANameIsRefused) {
  const auto o = connect(context(verifying()), "");
  EXPECT_FALSE(o.ok);
  EXPECT_EQ(o.error, "no name to verify the certificate against");
}

TEST_F(ClientSide, TheDepthOfTheChainIsLimited) {
  const Identity one = make_identity({.cn = "one", .issuer = &root_, .ca = true});
  const Identity two = make_identity({.cn = "two", .issuer = &one, .ca = true});
  const Identity leaf = make_identity({.san = "DNS:deep.example", .issuer = &two});
  auto pair = parse_key_pair(leaf.certificate_pem + two.certificate_pem + one.certificate_pem, leaf.key_pem);
  ASSERT_TRUE(pair);
  const auto table = make_table(nullptr, {{"deep.example", {*pair}}}, nullptr, false);
  set_current_table(table.get());
  auto policy = verifying();
  policy.verify_depth = 2;
  EXPECT_TRUE(connect(context(policy), "deep.example").ok);
  policy.verify_depth = 1;
  EXPECT_FALSE(connect(context(policy), "deep.example").ok);
}

TEST_F(ClientSide, OurCertificateIsShownWhenAsked) {
  const Identity own = make_identity({.cn = "proxy", .issuer = &root_});
  ClientPolicy policy;
  policy.certificate_pem = own.certificate_pem;
  policy.key_pem = own.key_pem;
  const auto c = context(policy);
  // A server of OpenSSL alone that insists on a certificate.
  Owned<SSL_CTX> strict(SSL_CTX_new(TLS_server_method()));
  X509_STORE_add_cert(SSL_CTX_get_cert_store(strict.get()), root_.certificate.get());
  SSL_CTX_set_verify(strict.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  const Identity pod = make_identity({.san = "DNS:pod.example", .issuer = &root_});
  SSL_CTX_use_certificate(strict.get(), pod.certificate.get());
  SSL_CTX_use_PrivateKey(strict.get(), pod.key.get());
  Wire wire;
  Owned<SSL> server(SSL_new(strict.get()));
  SSL_set_fd(server.get(), wire.b);
  SSL_set_accept_state(server.get());
  auto client = Session::client(c, wire.a, "pod.example", true);
  Io io = Io::again_read;
  int r = 0;
  ASSERT_TRUE(until([&] {
    if (io == Io::again_read) io = client->handshake();
    r = SSL_do_handshake(server.get());
    return io == Io::failed || r == 1;
  }));
  EXPECT_EQ(r, 1);
  ASSERT_TRUE(SSL_get0_peer_certificate(server.get()));
  EXPECT_EQ(X509_cmp(SSL_get0_peer_certificate(server.get()), own.certificate.get()), 0);
}

TEST_F(ClientSide, SessionsAreReusedForTheSameNameAndAddressOnly) {
  for (const char* version : {"TLSv1.2", "TLSv1.3"}) {
    server_context_ = server_context(only(version));
    // One address for all connections, as a pod has.
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&at), size), 0);
    ASSERT_EQ(listen(listener, 8), 0);
    getsockname(listener, reinterpret_cast<sockaddr*>(&at), &size);
    const auto c = context(verifying());
    const auto resumed = [&](const std::string& name) {
      const int a = socket(AF_INET, SOCK_STREAM, 0);
      EXPECT_EQ(::connect(a, reinterpret_cast<sockaddr*>(&at), size), 0);
      const int b = accept(listener, nullptr, nullptr);
      for (int fd : {a, b}) fcntl(fd, F_SETFL, O_NONBLOCK);
      auto server = Session::server(server_context_, b);
      auto client = Session::client(c, a, name, true);
      EXPECT_TRUE(shake(*server, *client)) << client->error();
      char byte = 'x';
      const iovec part{&byte, 1};
      EXPECT_EQ(server->write(&part, 1).io, Io::done);
      EXPECT_TRUE(until([&] { return client->read(&byte, 1).io == Io::done; }));
      const bool was = client->resumed();
      client.reset();
      server.reset();
      close(a);
      close(b);
      return was;
    };
    EXPECT_FALSE(resumed("good.example")) << version;
    EXPECT_TRUE(resumed("good.example")) << version;
    EXPECT_FALSE(resumed("pod.example")) << version;
    close(listener);
  }
}

TEST_F(ClientSide, BrokenPoliciesAreRefusedWithTheirReason) {
  const auto reason = [](auto change) {
    ClientPolicy policy;
    policy.verify = true;
    change(policy);
    auto made = make_client_context(policy);
    return made ? std::string("accepted") : made.error();
  };
  EXPECT_EQ(reason([](ClientPolicy& p) { p.ca_pem = "hello"; }), "ca.crt holds no PEM certificate");
  EXPECT_NE(reason([&](ClientPolicy& p) {
              p.ca_pem = root_.certificate_pem;
              p.ca_pem.replace(p.ca_pem.find('\n') + 4, 4, "!!!!");
            }).find("ca.crt: certificate 1 cannot be read"),
            std::string::npos);
  EXPECT_EQ(reason([&](ClientPolicy& p) {
              p.certificate_pem = root_.certificate_pem;
              p.key_pem = stranger_.key_pem;
            }),
            "tls.key does not match tls.crt");
  EXPECT_NE(reason([](ClientPolicy& p) { p.protocols = "SSLv2"; }).find("proxy-ssl-protocols: unknown protocol"),
            std::string::npos);
  EXPECT_EQ(reason([](ClientPolicy& p) { p.ciphers = "X"; }), "proxy-ssl-ciphers: no known cipher in \"X\"");
  EXPECT_EQ(reason([](ClientPolicy&) {}), "accepted");
}

}  // namespace
}  // namespace sluice::net::tls
