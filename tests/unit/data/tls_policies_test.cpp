// TLS policies of hosts: one context for equal ones, and which connections do for which host.
#include "data/compiler/tls_policies.h"

#include <gtest/gtest.h>

#include <set>

#include "data/compiler/compiler.h"
#include "data/proxy/misdirected.h"
#include "data/routing/host_routes.h"
#include "pem.h"

namespace sluice::data {
namespace {

model::Shared<model::ClientAuth> demands(const std::string& ca, std::uint32_t depth = 1) {
  model::ClientAuth auth;
  auth.secret = "a/ca";
  auth.ca_pem = ca;
  auth.depth = depth;
  return auth;
}

model::TlsPolicy with(std::string ciphers, model::Shared<model::ClientAuth> clients = {}) {
  model::TlsPolicy out;
  out.ciphers = std::move(ciphers);
  out.client_auth = std::move(clients);
  out.ciphers_by = {"Ingress", "a", "i", {}};
  return out;
}

TEST(TlsPolicies, EqualOnesShareAContext) {
  const std::string one = test::make_pem("ca").chain, two = test::make_pem("ca").chain;
  TlsPolicies policies;
  const model::Options options;
  const auto context = [&](const model::TlsPolicy& wanted) {
    auto made = policies.of(wanted, options, "h.example");
    EXPECT_TRUE(made.problems.empty());
    return made.context;
  };
  const auto first = context(with("", demands(one)));
  EXPECT_EQ(first, context(with("", demands(one)))) << "read apart";
  auto lenient = demands(one);
  {
    model::ClientAuth copy = *lenient;
    copy.verify = model::VerifyClient::optional;
    copy.error_page = "https://a.example/";
    copy.secret = "b/copy";
    lenient = copy;
  }
  EXPECT_EQ(first, context(with("", lenient))) << "what becomes of a request is no matter of the handshake";
  const auto other = context(with("", demands(two))), deep = context(with("", demands(one, 2))),
             ciphers = context(with("HIGH"));
  EXPECT_EQ(std::set({first, other, deep, ciphers}).size(), 4U);
  model::Options others;
  others.ssl_protocols = "TLSv1.3";
  EXPECT_NE(policies.of(with("HIGH"), others, "h.example").context, ciphers);
  EXPECT_EQ(policies.size(), 5U);
}

TEST(TlsPolicies, AListWithoutAKnownCipherIsReportedAndLeavesThoseOfTheOptions) {
  TlsPolicies policies;
  const auto made = policies.of(with("NONSENSE", demands(test::make_pem("ca").chain)), {}, "h.example");
  EXPECT_TRUE(made.context);
  ASSERT_EQ(made.problems.size(), 1U);
  EXPECT_EQ(made.problems[0].object.text(), "Ingress a/i");
  EXPECT_EQ(made.problems[0].problem.field, "metadata.annotations[ssl-ciphers]");
  EXPECT_EQ(made.problems[0].problem.value, "NONSENSE");
}

TEST(TlsPolicies, AnAuthorityThatCannotBeReadIsReportedAtItsSecret) {
  TlsPolicies policies;
  const auto made =
      policies.of(with("", demands("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")), {}, "h.example");
  ASSERT_EQ(made.problems.size(), 1U);
  EXPECT_EQ(made.problems[0].object.text(), "Secret a/ca");
  EXPECT_NE(made.problems[0].problem.consequence.find("403"), std::string::npos);
}

TEST(TlsPolicies, AConnectionServesForAHostThatDemandsNoMore) {
  const auto a = with("", demands("1")), same = with("", demands("1")), b = with("", demands("2")), weak = with("HIGH");
  EXPECT_TRUE(serves_for(nullptr, nullptr));
  EXPECT_TRUE(serves_for(&a, &same));
  EXPECT_TRUE(serves_for(&a, nullptr)) << "who showed a certificate may ask where none is needed";
  EXPECT_FALSE(serves_for(nullptr, &a));
  EXPECT_FALSE(serves_for(&b, &a));
  EXPECT_FALSE(serves_for(&weak, nullptr));
  EXPECT_FALSE(serves_for(nullptr, &weak));
}

struct Compiled : ::testing::Test {
  void host(const std::string& name, model::Shared<model::TlsPolicy> policy = {}) {
    auto h = std::make_shared<model::Host>();
    h->name = name;
    h->ns = "a";
    h->tls_policy = std::move(policy);
    model::Route& r = h->routes.emplace_back();
    r.path = r.location = "/";
    r.cluster = "c";
    r.ns = "a";
    model.hosts[name] = h;
    change.hosts.push_back(name);
  }
  const Snapshot& compile() {
    model.clusters["c"] = std::make_shared<const model::Cluster>();
    snapshot = compiler.compile(model, change).snapshot;
    change = {};
    return *snapshot;
  }
  model::Model model;
  model::Change change = [] {
    model::Change first;
    first.everything = true;
    return first;
  }();
  Compiler compiler;
  std::shared_ptr<const Snapshot> snapshot;
};

TEST_F(Compiled, HandshakesFindTheContextOfTheHostThatANameLeadsTo) {
  host("a.example");
  EXPECT_EQ(compile().contexts, nullptr) << "nobody asks where no host has a policy";
  host("m.example", with("HIGH"));
  host("*.w.example", with("HIGH"));
  host("", with("", demands(test::make_pem("ca").chain)));
  const auto& contexts = *compile().contexts;
  const auto high = contexts.context_for("m.example");
  EXPECT_TRUE(high);
  EXPECT_EQ(contexts.context_for("x.w.example"), high);
  EXPECT_EQ(contexts.context_for("a.example"), nullptr);
  EXPECT_TRUE(contexts.context_for("nobody.example")) << "the catch-all's";
  EXPECT_TRUE(contexts.context_for("")) << "likewise of clients that name nobody";
  EXPECT_NE(contexts.context_for(""), high);
  model::Options options;
  options.ssl_protocols = "TLSv1.3";
  model.options = std::make_shared<const model::Options>(options);
  change.options = true;
  EXPECT_NE(compile().contexts->context_for("m.example"), high) << "the options are a part of it";
  for (const char* name : {"m.example", "*.w.example", ""}) {
    model.hosts.erase(name);
    change.hosts.emplace_back(name);
  }
  EXPECT_EQ(compile().contexts, nullptr);
}

TEST_F(Compiled, ARequestForAHostOfAnotherPolicyIsMisdirected) {
  const std::string ca = test::make_pem("ca").chain;
  host("open.example");
  host("m.example", with("", demands(ca)));
  host("n.example", with("", demands(ca)));
  host("o.example", with("", demands(test::make_pem("ca").chain)));
  compile();
  const auto ask = [&](std::string_view sni, std::string_view wanted) {
    return misdirected(*snapshot, sni, wanted, false) != nullptr;
  };
  EXPECT_TRUE(ask("open.example", "m.example"));
  EXPECT_TRUE(ask("o.example", "m.example"));
  EXPECT_FALSE(ask("n.example", "m.example"));
  EXPECT_FALSE(ask("m.example", "open.example"));
  EXPECT_FALSE(ask("m.example", "m.example"));
  EXPECT_FALSE(ask("", "m.example")) << "without a name the host's own steps decide";
  EXPECT_FALSE(ask("nobody.example", "m.example")) << "likewise by a name that is no host";
}

}  // namespace
}  // namespace sluice::data
