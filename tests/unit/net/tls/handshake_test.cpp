#include "support.h"

namespace sluice::net::tls {
namespace {

using namespace test;

class Handshake : public testing::Test {
 protected:
  void use(const std::vector<CertificateChange>& changes, bool reject = false) {
    auto next = make_table(table_.get(), changes, fallback_, reject);
    set_current_table(next.get());
    table_ = next;
  }
  ~Handshake() override { set_current_table(nullptr); }

  // Connects with the name and answers the serial of the certificate shown; "" when the handshake failed.
  std::string shown(const char* name, Client& client) {
    wire_ = std::make_unique<Wire>();
    client.open(wire_->a, name);
    session_ = Session::server(context_, wire_->b);
    return shake(*session_, client) ? client.serial() : "";
  }
  std::string shown(const char* name) {
    Client client;
    return shown(name, client);
  }

  KeyPairPtr fallback_ = self_signed();
  std::shared_ptr<const CertificateTable> table_;
  std::shared_ptr<ServerContext> context_ = server_context();
  std::unique_ptr<Wire> wire_;
  std::unique_ptr<Session> session_;
};

TEST_F(Handshake, BothVersionsAndTheirEnds) {
  use({});
  for (const char* version : {"TLSv1.2", "TLSv1.3"}) {
    context_ = server_context(only(version));
    EXPECT_EQ(shown("a.example"), fallback_->serial()) << session_->error();
    EXPECT_EQ(session_->version(), version);
    EXPECT_FALSE(session_->cipher().empty());
    EXPECT_FALSE(session_->resumed());
    EXPECT_EQ(session_->handshake(), Io::done);
  }
}

TEST_F(Handshake, VersionsOutsideThePolicyFail) {
  use({});
  context_ = server_context(only("TLSv1.3"));
  Client old;
  SSL_CTX_set_max_proto_version(old.ctx.get(), TLS1_2_VERSION);
  EXPECT_EQ(shown("a.example", old), "");
  EXPECT_EQ(session_->error(), "handshake: unsupported protocol");
  context_ = server_context();
  Client older;
  SSL_CTX_set_security_level(older.ctx.get(), 0);
  SSL_CTX_set_max_proto_version(older.ctx.get(), TLS1_1_VERSION);
  EXPECT_EQ(shown("a.example", older), "");
  EXPECT_EQ(session_->handshake(), Io::failed);
}

TEST_F(Handshake, CertificateByExactNameWildcardOrDefault) {
  const auto a = make_pair_of({.san = "DNS:a.example"}), w = make_pair_of({.san = "DNS:*.w.example"});
  use({{"a.example", {a}}, {"*.w.example", {w}}});
  EXPECT_EQ(shown("a.example"), a->serial());
  EXPECT_FALSE(session_->default_certificate());
  EXPECT_EQ(shown("A.Example."), a->serial());
  EXPECT_EQ(session_->server_name(), "a.example");
  EXPECT_EQ(shown("x.w.example"), w->serial());
  EXPECT_FALSE(session_->default_certificate());
  EXPECT_EQ(shown("x.y.w.example"), fallback_->serial());
  EXPECT_TRUE(session_->default_certificate());
  EXPECT_EQ(shown(nullptr), fallback_->serial());
  EXPECT_TRUE(session_->default_certificate());
  EXPECT_EQ(session_->server_name(), "");
}

TEST_F(Handshake, AHostThatWasGivenTheDefaultPairSaysSo) {
  use({{"a.example", {fallback_}}}, true);
  EXPECT_EQ(shown("a.example"), fallback_->serial());
  EXPECT_TRUE(session_->default_certificate());
}

TEST_F(Handshake, UnknownNamesAreRejectedByAlertWhenAsked) {
  const auto a = make_pair_of({.san = "DNS:a.example"});
  use({{"a.example", {a}}}, true);
  EXPECT_EQ(shown("a.example"), a->serial());
  for (const char* unknown : {"b.example", static_cast<const char*>(nullptr)}) {
    Client client;
    EXPECT_EQ(shown(unknown, client), "");
    EXPECT_FALSE(session_->error().empty());
    const unsigned long e = ERR_peek_error();
    EXPECT_STREQ(ERR_reason_error_string(e), "tlsv1 unrecognized name");
  }
}

TEST_F(Handshake, RsaAndEcdsaForOneName) {
  const auto rsa = make_pair_of({.type = "RSA", .san = "DNS:a.example"});
  const auto ec = make_pair_of({.type = "EC", .san = "DNS:a.example"});
  use({{"a.example", {rsa, ec}}});
  for (const char* version : {"TLSv1.2", "TLSv1.3"}) {
    context_ = server_context(only(version));
    EXPECT_EQ(shown("a.example"), ec->serial()) << version;
    Client rsa_only;
    SSL_CTX_set1_sigalgs_list(rsa_only.ctx.get(), "RSA-PSS+SHA256:RSA+SHA256");
    EXPECT_EQ(shown("a.example", rsa_only), rsa->serial()) << version;
    Client ec_only;
    SSL_CTX_set1_sigalgs_list(ec_only.ctx.get(), "ECDSA+SHA256");
    EXPECT_EQ(shown("a.example", ec_only), ec->serial()) << version;
  }
}

TEST_F(Handshake, TheChainIsSentWithoutTheLeafTwice) {
  const Identity root = make_identity({.cn = "root", .ca = true});
  const Identity middle = make_identity({.cn = "middle", .issuer = &root, .ca = true});
  const Identity leaf = make_identity({.cn = "leaf", .san = "DNS:a.example", .issuer = &middle});
  auto pair = parse_key_pair(leaf.certificate_pem + middle.certificate_pem, leaf.key_pem);
  ASSERT_TRUE(pair);
  use({{"a.example", {*pair}}});
  Client client;
  X509_STORE_add_cert(SSL_CTX_get_cert_store(client.ctx.get()), root.certificate.get());
  SSL_CTX_set_verify(client.ctx.get(), SSL_VERIFY_PEER, nullptr);
  EXPECT_EQ(shown("a.example", client), (*pair)->serial()) << session_->error();
  EXPECT_EQ(sk_X509_num(SSL_get_peer_cert_chain(client.ssl.get())), 2);
}

TEST_F(Handshake, ANewTableCountsFromTheNextHandshakeOn) {
  const auto first = make_pair_of({.san = "DNS:a.example"}), second = make_pair_of({.san = "DNS:a.example"});
  use({{"a.example", {first}}});
  EXPECT_EQ(shown("a.example"), first->serial());
  auto earlier = std::move(session_);
  auto earlier_wire = std::move(wire_);
  use({{"a.example", {second}}});
  EXPECT_EQ(shown("a.example"), second->serial());
  char byte = 'x';
  const iovec part{&byte, 1};
  EXPECT_EQ(earlier->write(&part, 1).io, Io::done);  // the connection made before goes on
  use({{"a.example", {}}});
  EXPECT_EQ(shown("a.example"), fallback_->serial());
}

TEST_F(Handshake, AlpnByOurPreferenceAndAnAlertWithoutOverlap) {
  use({});
  ServerPolicy policy;
  policy.alpn = {"h2", "http/1.1"};
  context_ = server_context(policy);
  const auto offer = [&](const std::string& wire_form) {
    Client client;
    SSL_CTX_set_alpn_protos(client.ctx.get(), reinterpret_cast<const unsigned char*>(wire_form.data()),
                            static_cast<unsigned>(wire_form.size()));
    return shown("a.example", client).empty() ? "refused" : std::string(session_->alpn());
  };
  EXPECT_EQ(offer("\x08http/1.1\x02h2"), "h2");
  EXPECT_EQ(offer("\x08http/1.1"), "http/1.1");
  EXPECT_EQ(offer("\x08http/1.0"), "refused");  // RFC 7301 section 3.2
  EXPECT_EQ(offer("\x06"
                  "foobar\x02h2"),
            "h2");
}

TEST_F(Handshake, CurvesAndDheGroupOfTheIntermediateProfile) {
  const auto rsa = make_pair_of({.type = "RSA", .san = "DNS:a.example"});
  use({{"a.example", {rsa}}});
  for (const char* group : {"X25519", "P-256", "P-384"}) {
    Client client;
    SSL_CTX_set1_groups_list(client.ctx.get(), group);
    EXPECT_NE(shown("a.example", client), "") << group;
  }
  Client p521;
  SSL_CTX_set1_groups_list(p521.ctx.get(), "P-521");
  SSL_CTX_set_max_proto_version(p521.ctx.get(), TLS1_3_VERSION);
  SSL_CTX_set_min_proto_version(p521.ctx.get(), TLS1_3_VERSION);
  EXPECT_EQ(shown("a.example", p521), "");
  Client dhe;
  SSL_CTX_set_max_proto_version(dhe.ctx.get(), TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(dhe.ctx.get(), "DHE-RSA-AES128-GCM-SHA256");
  EXPECT_NE(shown("a.example", dhe), "");
  EVP_PKEY* share = nullptr;
  ASSERT_EQ(SSL_get_peer_tmp_key(dhe.ssl.get(), &share), 1);
  EXPECT_EQ(EVP_PKEY_get_bits(share), 2048);
  EVP_PKEY_free(share);
  Client weak;
  SSL_CTX_set_max_proto_version(weak.ctx.get(), TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(weak.ctx.get(), "AES128-GCM-SHA256:ECDHE-RSA-AES128-SHA");
  EXPECT_EQ(shown("a.example", weak), "");
  EXPECT_EQ(session_->error(), "handshake: no shared cipher");
}

TEST_F(Handshake, RenegotiationIsRefused) {
  use({});
  context_ = server_context(only("TLSv1.2"));
  Client client;
  ASSERT_NE(shown("a.example", client), "");
  SSL_renegotiate(client.ssl.get());
  char buffer[64];
  bool failed = false;
  ASSERT_TRUE(until([&] {
    const int r = SSL_do_handshake(client.ssl.get());
    failed = r != 1 && SSL_get_error(client.ssl.get(), r) == SSL_ERROR_SSL;
    session_->read(buffer, sizeof buffer);
    return failed || r == 1;
  }));
  EXPECT_TRUE(failed);
}

TEST_F(Handshake, WhatIsNotTlsFailsWithOneLine) {
  use({});
  for (const std::string& junk :
       {std::string("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), noise(500, 1), std::string(64, '\0')}) {
    Wire wire;
    auto session = Session::server(context_, wire.b);
    ASSERT_EQ(send(wire.a, junk.data(), junk.size(), 0), static_cast<ssize_t>(junk.size()));
    Io io = Io::again_read;
    ASSERT_TRUE(until([&] { return (io = session->handshake()) != Io::again_read; }));
    EXPECT_EQ(io, Io::failed);
    EXPECT_TRUE(session->error().starts_with("handshake: ")) << session->error();
    EXPECT_EQ(session->error().find('\n'), std::string::npos);
  }
}

TEST_F(Handshake, ThePeerLeavesInTheMiddle) {
  use({});
  Wire wire;
  auto session = Session::server(context_, wire.b);
  EXPECT_EQ(session->handshake(), Io::again_read);
  wire.close_a();
  EXPECT_EQ(session->handshake(), Io::closed);
  EXPECT_EQ(session->error(), "handshake: the peer closed the connection");
}

TEST_F(Handshake, AHelloThatComesByteByByte) {
  use({});
  Wire outer, inner;  // client on outer.a; we carry its bytes one at a time to inner.a
  Client client;
  client.open(outer.a, "a.example");
  auto session = Session::server(context_, inner.b);
  int c = 0;
  Io s = Io::again_read;
  EXPECT_TRUE(until([&] {
    if (c == 0) c = client.step();
    char byte;
    if (recv(outer.b, &byte, 1, 0) == 1) send(inner.a, &byte, 1, 0);
    if (s == Io::again_read) s = session->handshake();
    char back[4096];
    const ssize_t n = recv(inner.a, back, sizeof back, 0);
    if (n > 0) send(outer.b, back, static_cast<std::size_t>(n), 0);
    return c == 1 && s == Io::done;
  }));
  EXPECT_EQ(session->server_name(), "a.example");
}

TEST_F(Handshake, WithoutATableItFailsInsteadOfGuessing) {
  set_current_table(nullptr);
  EXPECT_EQ(shown("a.example"), "");
  EXPECT_EQ(session_->handshake(), Io::failed);
}

TEST(ServerPolicyTest, ErrorsNameTheOptionAndTheValue) {
  const auto reason = [](auto change) {
    ServerPolicy policy;
    change(policy);
    auto made = make_server_context(policy);
    return made ? std::string("accepted") : made.error();
  };
  EXPECT_EQ(reason([](ServerPolicy& p) { p.protocols = "TLSv1.2 SSLv3"; }),
            "ssl-protocols: unknown protocol \"SSLv3\", expected TLSv1, TLSv1.1, TLSv1.2 or TLSv1.3");
  EXPECT_NE(reason([](ServerPolicy& p) { p.protocols = " "; }).find("ssl-protocols: no protocol named"),
            std::string::npos);
  EXPECT_EQ(reason([](ServerPolicy& p) { p.ciphers = "NONSENSE"; }), "ssl-ciphers: no known cipher in \"NONSENSE\"");
  EXPECT_NE(reason([](ServerPolicy& p) { p.curves = "nope"; }).find("ssl-ecdh-curve: unknown curve in \"nope\""),
            std::string::npos);
  EXPECT_EQ(reason([](ServerPolicy& p) { p.ticket_key = "short"; }),
            "ssl-session-ticket-key: session ticket key has 5 bytes, expected 80");
  EXPECT_EQ(reason([](ServerPolicy& p) { p.curves = "secp384r1:prime256v1"; }), "accepted");
  EXPECT_EQ(reason([](ServerPolicy& p) { p.protocols = "TLSv1 TLSv1.1 TLSv1.2 TLSv1.3"; }), "accepted");
}

}  // namespace
}  // namespace sluice::net::tls
