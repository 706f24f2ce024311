// Clients with certificates: what a handshake finds out, contexts by name, and sessions that stay within one policy.
#include <map>

#include "net/tls/client_authority.h"
#include "support.h"

namespace sluice::net::tls {
namespace {

using namespace test;
using Verdict = ClientCertificate::Verdict;

struct ByName final : ContextSource {
  std::map<std::string, std::shared_ptr<ServerContext>, std::less<>> contexts;
  std::shared_ptr<ServerContext> context_for(std::string_view name) const noexcept override {
    const auto at = contexts.find(name);
    return at == contexts.end() ? nullptr : at->second;
  }
};

std::shared_ptr<const ClientAuthority> authority(const std::string& ca, const std::string& crl = "") {
  auto made = client_authority(ca, crl);
  EXPECT_TRUE(made) << (made ? "" : made.error());
  return made ? *made : nullptr;
}

// What `issuer` has revoked.
std::string revoked_by(const Identity& issuer, const std::vector<const Identity*>& gone) {
  Owned<X509_CRL> crl(X509_CRL_new());
  X509_CRL_set_version(crl.get(), 1);
  X509_CRL_set_issuer_name(crl.get(), X509_get_subject_name(issuer.certificate.get()));
  ASN1_TIME* now = X509_gmtime_adj(nullptr, -60);
  ASN1_TIME* later = X509_gmtime_adj(nullptr, 3600);
  X509_CRL_set1_lastUpdate(crl.get(), now);
  X509_CRL_set1_nextUpdate(crl.get(), later);
  for (const Identity* id : gone) {
    X509_REVOKED* entry = X509_REVOKED_new();
    X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(id->certificate.get()));
    X509_REVOKED_set_revocationDate(entry, now);
    X509_CRL_add0_revoked(crl.get(), entry);
  }
  ASN1_TIME_free(now);
  ASN1_TIME_free(later);
  X509_CRL_sort(crl.get());
  EXPECT_GT(X509_CRL_sign(crl.get(), issuer.key.get(), EVP_sha256()), 0);
  return pem_of([&](BIO* b) { PEM_write_bio_X509_CRL(b, crl.get()); });
}

class ClientAuth : public testing::TestWithParam<const char*> {
 protected:
  ClientAuth() {
    set_current_table(table_.get());
    set_current_contexts(&source_);
  }
  ~ClientAuth() override {
    set_current_contexts(nullptr);
    set_current_table(nullptr);
  }

  ServerPolicy policy(const std::shared_ptr<const ClientAuthority>& who, std::uint32_t depth = 1) const {
    ServerPolicy p = only(GetParam());
    if (who) p.clients = ClientCheck{who, depth};
    return p;
  }
  static void equip(Client& client, const Identity& id) {
    ASSERT_EQ(SSL_CTX_use_certificate(client.ctx.get(), id.certificate.get()), 1);
    ASSERT_EQ(SSL_CTX_use_PrivateKey(client.ctx.get(), id.key.get()), 1);
  }
  struct Met {
    bool resumed = false;
    std::shared_ptr<const ClientCertificate> shown;
  };
  // One connection, offering the session that the client holds.
  Met meet(Client& client, const char* name) {
    Wire wire;
    client.open(wire.a, name);
    if (client.session) SSL_set_session(client.ssl.get(), client.session.get());
    auto session = Session::server(listener_, wire.b);
    EXPECT_TRUE(shake(*session, client)) << session->error();
    EXPECT_TRUE(exchange_byte(*session, client));
    SSL_shutdown(client.ssl.get());
    return {session->resumed(), session->client_certificate()};
  }

  const Identity ca_ = make_identity({.cn = "ca", .ca = true}), other_ca_ = make_identity({.cn = "other", .ca = true});
  const Identity good_ = make_identity({.cn = "good, one", .issuer = &ca_, .until = 130'000}),
                 bad_ = make_identity({.cn = "bad", .issuer = &other_ca_});
  std::shared_ptr<const CertificateTable> table_ = make_table(nullptr, {}, nullptr, false);
  std::shared_ptr<ServerContext> listener_ = server_context(only(GetParam()));
  ByName source_;
};

TEST_P(ClientAuth, AHandshakeGoesOnWhateverIsShownAndTellsIt) {
  source_.contexts["m.example"] = server_context(policy(authority(ca_.certificate_pem)));
  {
    Client nobody;
    const auto met = meet(nobody, "m.example");
    ASSERT_TRUE(met.shown);
    EXPECT_EQ(met.shown->verdict(), Verdict::none);
    EXPECT_EQ(met.shown->verify(), "NONE");
    for (const auto text : {met.shown->subject(), met.shown->issuer(), met.shown->serial(), met.shown->fingerprint(),
                            met.shown->escaped(), met.shown->not_after()})
      EXPECT_EQ(text, "");
  }
  {
    Client client;
    equip(client, good_);
    const auto met = meet(client, "m.example");
    ASSERT_TRUE(met.shown);
    EXPECT_EQ(met.shown->verdict(), Verdict::good);
    EXPECT_EQ(met.shown->verify(), "SUCCESS");
    EXPECT_EQ(met.shown->subject(), "CN=good\\, one");
    EXPECT_EQ(met.shown->issuer(), "CN=ca");
    EXPECT_EQ(met.shown->serial(), client.serial().empty() ? "" : met.shown->serial());
    EXPECT_EQ(met.shown->fingerprint().size(), 40U);
    EXPECT_EQ(met.shown->days_left(), 1);
    EXPECT_TRUE(met.shown->not_after().ends_with(" GMT"));
    EXPECT_TRUE(met.shown->escaped().starts_with("-----BEGIN%20CERTIFICATE-----%0A"));
    EXPECT_TRUE(met.shown->escaped().ends_with("-----END%20CERTIFICATE-----%0A"));
    // Names without a context of their own do not ask.
    EXPECT_FALSE(meet(client, "open.example").shown);
  }
  {
    Client client;
    equip(client, bad_);
    const auto met = meet(client, "m.example");
    ASSERT_TRUE(met.shown);
    EXPECT_EQ(met.shown->verdict(), Verdict::unknown_authority);
    EXPECT_EQ(met.shown->verify(), "FAILED:unable to verify the first certificate");
    EXPECT_EQ(met.shown->subject(), "CN=bad");
  }
  {
    const Identity old = make_identity({.cn = "old", .issuer = &ca_, .from = -7200, .until = -3600});
    Client client;
    equip(client, old);
    const auto met = meet(client, "m.example");
    ASSERT_TRUE(met.shown);
    EXPECT_EQ(met.shown->verdict(), Verdict::bad);
    EXPECT_EQ(met.shown->verify(), "FAILED:certificate has expired");
  }
  {
    const Identity of_servers = make_identity({.cn = "s", .issuer = &ca_, .extended_usage = "serverAuth"});
    Client client;
    equip(client, of_servers);
    EXPECT_EQ(meet(client, "m.example").shown->verdict(), Verdict::bad);
  }
}

TEST_P(ClientAuth, WhatIsRevokedIsBadAndEachAuthorityNeedsAList) {
  source_.contexts["m.example"] = server_context(policy(authority(ca_.certificate_pem, revoked_by(ca_, {&good_}))));
  Client client;
  equip(client, good_);
  EXPECT_EQ(meet(client, "m.example").shown->verify(), "FAILED:certificate revoked");
  const Identity still = make_identity({.cn = "still", .issuer = &ca_});
  Client other;
  equip(other, still);
  EXPECT_EQ(meet(other, "m.example").shown->verify(), "SUCCESS");
  source_.contexts["m.example"] = server_context(policy(authority(ca_.certificate_pem, revoked_by(other_ca_, {}))));
  Client third;
  equip(third, still);
  EXPECT_EQ(meet(third, "m.example").shown->verdict(), Verdict::bad);
}

TEST_P(ClientAuth, TheDepthCountsTheAuthoritiesBetween) {
  const Identity between = make_identity({.cn = "between", .issuer = &ca_, .ca = true});
  const Identity leaf = make_identity({.cn = "leaf", .issuer = &between});
  const auto who = authority(ca_.certificate_pem);
  source_.contexts["one.example"] = server_context(policy(who, 1));
  source_.contexts["none.example"] = server_context(policy(who, 0));
  Client client;
  equip(client, leaf);
  ASSERT_EQ(SSL_CTX_add1_chain_cert(client.ctx.get(), between.certificate.get()), 1);
  EXPECT_EQ(meet(client, "one.example").shown->verdict(), Verdict::good);
  client.session.reset();
  EXPECT_NE(meet(client, "none.example").shown->verdict(), Verdict::good);
}

TEST_P(ClientAuth, AResumedSessionCarriesWhatWasShown) {
  for (const bool tickets : {true, false}) {
    auto p = policy(nullptr);
    p.session_tickets = tickets;
    listener_ = server_context(p);
    auto own = policy(authority(ca_.certificate_pem));
    own.session_tickets = tickets;
    source_.contexts["m.example"] = server_context(own);
    Client client;
    equip(client, good_);
    EXPECT_FALSE(meet(client, "m.example").resumed);
    const auto met = meet(client, "m.example");
    EXPECT_TRUE(met.resumed);
    ASSERT_TRUE(met.shown);
    EXPECT_EQ(met.shown->verify(), "SUCCESS");
    EXPECT_EQ(met.shown->subject(), "CN=good\\, one");

    Client wrong;
    equip(wrong, bad_);
    meet(wrong, "m.example");
    const auto again = meet(wrong, "m.example");
    EXPECT_FALSE(again.resumed) << "it may come with another certificate";
    EXPECT_EQ(again.shown->verdict(), Verdict::unknown_authority);
    Client nobody;
    meet(nobody, "m.example");
    EXPECT_FALSE(meet(nobody, "m.example").resumed);
    equip(nobody, good_);
    EXPECT_EQ(meet(nobody, "m.example").shown->verdict(), Verdict::good);
  }
}

TEST_P(ClientAuth, SessionsDoNotCrossPolicies) {
  const auto who = authority(ca_.certificate_pem);
  ServerPolicy ciphers = policy(nullptr);
  ciphers.scope = "of another host";
  source_.contexts["m.example"] = server_context(policy(who));
  source_.contexts["n.example"] = server_context(policy(authority(other_ca_.certificate_pem)));
  source_.contexts["deep.example"] = server_context(policy(who, 2));
  source_.contexts["ciphers.example"] = server_context(ciphers);
  const char* const names[] = {"m.example", "n.example", "deep.example", "ciphers.example", "open.example"};
  for (const char* from : names) {
    for (const char* to : names) {
      SCOPED_TRACE(std::string(from) + " to " + to);
      Client client;
      equip(client, std::string_view(from) == "n.example" ? bad_ : good_);
      ASSERT_FALSE(meet(client, from).resumed);
      ASSERT_TRUE(client.session);
      EXPECT_EQ(meet(client, to).resumed, std::string_view(from) == to);
    }
  }
  // A context made anew for the same policy goes on with them.
  Client client;
  equip(client, good_);
  meet(client, "m.example");
  source_.contexts["m.example"] = server_context(policy(authority(ca_.certificate_pem)));
  EXPECT_TRUE(meet(client, "m.example").resumed);
  // One with another list of what is revoked does not.
  source_.contexts["m.example"] = server_context(policy(authority(ca_.certificate_pem, revoked_by(ca_, {}))));
  EXPECT_FALSE(meet(client, "m.example").resumed);
}

TEST_P(ClientAuth, AConnectionThatIsThereIsJudgedByNewAuthorities) {
  const auto before = authority(ca_.certificate_pem);
  source_.contexts["m.example"] = server_context(policy(before));
  Client client;
  equip(client, good_);
  const auto met = meet(client, "m.example");
  const ClientCheck both{authority(ca_.certificate_pem + other_ca_.certificate_pem), 1},
      none{authority(other_ca_.certificate_pem), 1},
      revoked{authority(ca_.certificate_pem, revoked_by(ca_, {&good_})), 1};
  EXPECT_EQ(met.shown->judged_by(), (ClientCheck{before, 1}));
  EXPECT_FALSE(met.shown->judge_again(none));
  EXPECT_FALSE(met.shown->judge_again(revoked));
  EXPECT_EQ(met.shown->judged_by(), (ClientCheck{before, 1}));
  EXPECT_EQ(met.shown->verdict(), Verdict::good);
  EXPECT_TRUE(met.shown->judge_again(both));
  EXPECT_EQ(met.shown->judged_by(), both);
  EXPECT_EQ(met.shown->verify(), "SUCCESS");

  Client nobody;
  const auto without = meet(nobody, "m.example");
  EXPECT_TRUE(without.shown->judge_again(none));
  EXPECT_EQ(without.shown->verdict(), Verdict::none);
}

TEST_P(ClientAuth, TheOrderOfCiphersIsTheHosts) {
  if (GetParam() != std::string("TLSv1.2")) return;  // that of TLS 1.3 has the same switch
  ServerPolicy ours = only("TLSv1.2"), theirs = ours;
  ours.ciphers = theirs.ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256";
  theirs.prefer_server_ciphers = false;
  source_.contexts["ours.example"] = server_context(ours);
  source_.contexts["theirs.example"] = server_context(theirs);
  const auto cipher = [&](const char* name) {
    Client client;
    SSL_CTX_set_cipher_list(client.ctx.get(), "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384");
    meet(client, name);
    return std::string(SSL_get_cipher_name(client.ssl.get()));
  };
  EXPECT_EQ(cipher("ours.example"), "ECDHE-ECDSA-AES256-GCM-SHA384");
  EXPECT_EQ(cipher("theirs.example"), "ECDHE-ECDSA-AES128-GCM-SHA256");
}

INSTANTIATE_TEST_SUITE_P(Versions, ClientAuth, testing::Values("TLSv1.2", "TLSv1.3"),
                         [](const auto& i) { return std::string(i.param) == "TLSv1.2" ? "Tls12" : "Tls13"; });

TEST(ClientAuthority, IsOneForTheSameTexts) {
  const Identity ca = make_identity({.cn = "ca", .ca = true});
  EXPECT_EQ(authority(ca.certificate_pem), authority(ca.certificate_pem));
  EXPECT_NE(authority(ca.certificate_pem), authority(ca.certificate_pem, revoked_by(ca, {})));
  EXPECT_NE(authority(ca.certificate_pem), authority(ca.certificate_pem + "\n"));
}

TEST(ClientAuthority, SaysWhatIsWrong) {
  const Identity ca = make_identity({.cn = "ca", .ca = true});
  const auto why = [](const std::string& pem, const std::string& crl = "") {
    const auto made = client_authority(pem, crl);
    return made ? "fine" : made.error();
  };
  EXPECT_EQ(why(""), "ca.crt holds no PEM certificate");
  EXPECT_EQ(why(ca.key_pem), "ca.crt holds no PEM certificate");
  EXPECT_EQ(why(ca.certificate_pem + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
                .rfind("ca.crt: number 2 in it cannot be read", 0),
            0U);
  EXPECT_EQ(why(ca.certificate_pem, ca.certificate_pem), "ca.crl holds no PEM list of revoked certificates");
  EXPECT_EQ(why(std::string((1 << 20) + 1, 'x')), "ca.crt is larger than 1 MiB");
  EXPECT_EQ(why(ca.certificate_pem), "fine");
}

}  // namespace
}  // namespace sluice::net::tls
