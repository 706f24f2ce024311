// Which requests have come by a TLS connection that was made for another server.
#include "data/proxy/misdirected.h"

#include <gtest/gtest.h>

#include "data/compiler/compiler.h"
#include "pem.h"

namespace sluice::data {
namespace {

struct Hosts : ::testing::Test {
  void host(const std::string& name, const std::string& ns, const std::string& secret = "", bool passthrough = false) {
    auto h = std::make_shared<model::Host>();
    h->name = name;
    h->ns = ns;
    h->passthrough = passthrough;
    if (!secret.empty()) h->certificates.push_back({{"Ingress", ns, "i", {}}, {secret}});
    model::Route& r = h->routes.emplace_back();
    r.path = r.location = "/";
    r.cluster = "c";
    r.ns = ns;
    model.hosts[name] = h;
  }
  void certificate(const std::string& name, const test::Pem& pem) {
    auto c = std::make_shared<model::Certificate>();
    c->name = name;
    c->chain_pem = pem.chain;
    c->key_pem = pem.key;
    model.certificates[name] = c;
  }
  const char* ask(std::string_view server_name, std::string_view wanted, bool passthrough = false) {
    if (!snapshot) {
      model.clusters["c"] = std::make_shared<const model::Cluster>();
      model::Change change;
      change.everything = true;
      snapshot = compiler.compile(model, change).snapshot;
    }
    return misdirected(*snapshot, server_name, wanted, passthrough);
  }
  model::Model model;
  Compiler compiler;
  std::shared_ptr<const Snapshot> snapshot;
};

TEST_F(Hosts, ACopyOfTheDefaultCertificateIsTheSame) {
  const auto wild = test::make_pem("a.example,b.example");
  certificate("infra/wild", wild);
  certificate("b/copy", wild);
  certificate("c/other", test::make_pem("c.example"));
  model.default_certificate = "infra/wild";
  host("a.example", "a");
  host("b.example", "b", "b/copy");
  host("c.example", "c", "c/other");
  EXPECT_EQ(ask("a.example", "b.example"), nullptr);
  EXPECT_EQ(ask("b.example", "a.example"), nullptr);
  EXPECT_NE(ask("a.example", "c.example"), nullptr);
  EXPECT_NE(ask("c.example", "a.example"), nullptr);
}

TEST_F(Hosts, OnePairInCommonIsEnough) {
  const auto both = test::make_pem("a.example,b.example", "EC");
  certificate("a/ec", both);
  certificate("a/rsa", test::make_pem("a.example", "RSA"));
  certificate("b/ec", both);
  host("a.example", "a", "a/ec");
  auto two = std::make_shared<model::Host>(*model.hosts["a.example"]);
  two->certificates.front().secrets.push_back("a/rsa");
  model.hosts["a.example"] = two;
  host("b.example", "b", "b/ec");
  EXPECT_EQ(ask("a.example", "b.example"), nullptr);
  EXPECT_EQ(ask("b.example", "a.example"), nullptr);
}

TEST_F(Hosts, OfTwoNamespacesWithTwoCertificates) {
  certificate("a/s", test::make_pem("a.example"));
  certificate("b/s", test::make_pem("b.example"));
  host("a.example", "a", "a/s");
  host("more.example", "a");
  host("b.example", "b", "b/s");
  EXPECT_NE(ask("a.example", "b.example"), nullptr);
  EXPECT_NE(ask("b.example", "a.example"), nullptr);
  EXPECT_NE(ask("b.example", "more.example"), nullptr);
  EXPECT_EQ(ask("a.example", "a.example"), nullptr);
  EXPECT_EQ(ask("a.example", "more.example"), nullptr);
  EXPECT_EQ(ask("", "a.example"), nullptr);
  EXPECT_EQ(ask("unknown.example", "a.example"), nullptr);
  EXPECT_EQ(ask("a.example", "unknown.example"), nullptr);
}

TEST_F(Hosts, WithOneCertificateAreOneOwners) {
  const auto shared = test::make_pem("a.example,b.example");
  certificate("a/s", shared);
  certificate("b/s", shared);
  host("a.example", "a", "a/s");
  host("b.example", "b", "b/s");
  host("c.example", "c");
  host("d.example", "d");
  EXPECT_EQ(ask("a.example", "b.example"), nullptr);
  EXPECT_EQ(ask("c.example", "d.example"), nullptr) << "the default certificate for both";
  EXPECT_NE(ask("a.example", "c.example"), nullptr);
  EXPECT_NE(ask("c.example", "a.example"), nullptr);
}

TEST_F(Hosts, OfAWildcardAndOfTheCatchAll) {
  certificate("a/s", test::make_pem("*.x.example"));
  certificate("b/s", test::make_pem("b.x.example"));
  host("*.x.example", "a", "a/s");
  host("b.x.example", "b", "b/s");
  host("c.x.example", "b");
  host("", "b");
  EXPECT_EQ(ask("one.x.example", "two.x.example"), nullptr);
  EXPECT_NE(ask("one.x.example", "b.x.example"), nullptr);
  EXPECT_EQ(ask("one.x.example", "c.x.example"), nullptr) << "it is shown the wildcard's certificate";
  EXPECT_NE(ask("one.x.example", "nobody.example"), nullptr);
  EXPECT_EQ(ask("nobody.example", "one.x.example"), nullptr) << "a name that is no host here is nobody's";
}

TEST_F(Hosts, WhoseTlsIsPassedThrough) {
  host("pass.example", "a", "", true);
  host("app.example", "a");
  EXPECT_NE(ask("app.example", "pass.example", true), nullptr);
  EXPECT_NE(ask("", "pass.example", true), nullptr);
  EXPECT_EQ(ask("app.example", "app.example", true), nullptr);
}

}  // namespace
}  // namespace sluice::data
