#include "control/kube/shared_settings.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "bare_ingress.h"
#include "control/kube/store.h"

namespace sluice::control {
namespace {

model::RouteSettings with_tries(unsigned tries) {
  model::RouteSettings s;
  s.tries = tries;
  return s;
}

TEST(SharedSettings, EqualOnesAreOneObjectAndOthersAreNot) {
  SharedSettings shared;
  const auto one = shared.of(with_tries(3)), same = shared.of(with_tries(3)), other = shared.of(with_tries(4));
  EXPECT_EQ(one.get(), same.get());
  EXPECT_NE(one.get(), other.get());
  EXPECT_EQ(one->tries, 3u);
  EXPECT_EQ(other->tries, 4u);
  EXPECT_EQ(shared.of({}).get(), shared.of({}).get());
}

// Fields outside the hash decide, too.
TEST(SharedSettings, OnesWithEqualHashesAreCompared) {
  SharedSettings shared;
  model::RouteSettings quiet;
  quiet.access_log = !quiet.access_log;
  const auto a = shared.of({}), b = shared.of(quiet);
  EXPECT_NE(a.get(), b.get());
  EXPECT_NE(a->access_log, b->access_log);
  EXPECT_EQ(shared.of(quiet).get(), b.get());
}

TEST(SharedSettings, ThoseThatNobodyHoldsAreLetGo) {
  SharedSettings shared;
  const auto kept = shared.of(with_tries(1));
  for (unsigned i = 2; i < 1000; ++i) shared.of(with_tries(i));
  EXPECT_LE(shared.size(), 64u);
  EXPECT_EQ(shared.of(with_tries(1)).get(), kept.get());
  EXPECT_EQ(shared.of(with_tries(999))->tries, 999u);
}

model::RouteSettings guarded(unsigned tries, const std::string& realm, const std::string& users) {
  auto s = with_tries(tries);
  model::BasicAuth auth;
  auth.realm = realm;
  auth.users = users;
  s.basic_auth = std::move(auth);
  return s;
}

TEST(SharedSettings, PartsThatAreEqualAreOneObject) {
  SharedSettings shared;
  const auto one = shared.of(guarded(1, "a", "foo:bar\n")), two = shared.of(guarded(2, "a", "foo:bar\n"));
  EXPECT_NE(one.get(), two.get());
  EXPECT_EQ(one->basic_auth.get(), two->basic_auth.get());
  const auto realm = shared.of(guarded(1, "b", "foo:bar\n")), users = shared.of(guarded(1, "a", "foo:baz\n"));
  EXPECT_NE(one->basic_auth.get(), realm->basic_auth.get());
  EXPECT_EQ(one->basic_auth->users.part().get(), realm->basic_auth->users.part().get());
  EXPECT_EQ(realm->basic_auth->realm, "b");
  EXPECT_EQ(users->basic_auth->users->text, "foo:baz\n");
}

TEST(SharedSettings, PartsGoWithTheLastWhoHasThem) {
  SharedSettings shared;
  auto one = shared.of(guarded(1, "a", "foo:bar\n")), two = shared.of(guarded(2, "b", "foo:bar\n"));
  const model::Shared<model::SecretText>::Watch users(one->basic_auth->users.part());
  shared.of({});
  one.reset();
  EXPECT_FALSE(users.gone());
  EXPECT_EQ(users.lock()->text, "foo:bar\n");
  two.reset();
  EXPECT_TRUE(users.gone());
  EXPECT_FALSE(users.lock());
  EXPECT_EQ(shared.of(guarded(1, "a", "foo:bar\n"))->basic_auth->users->text, "foo:bar\n");
}

// Ingresses that name the same objects, each with something of its own.
struct OneObject : ::testing::Test {
  OneObject() {
    config({{"global-allowed-response-headers", "X-A"},
            {"whitelist-source-range", "10.0.0.0/8,192.0.2.0/24"},
            {"annotations-risk-level", "Critical"}});
    secret("user:{PLAIN}password\n");
    ConfigMap headers;
    headers.meta.ns = "default";
    headers.meta.name = "headers";
    headers.data = {{"X-A", "b"}};
    auto params = headers;
    params.meta.name = "params";
    params.data = {{"APP_ENV", "test"}};
    store.upsert(std::make_shared<const Object>(std::move(headers)));
    store.upsert(std::make_shared<const Object>(std::move(params)));
  }
  void config(std::map<std::string, std::string> data) {
    ConfigMap out;
    out.meta.ns = "ingress-nginx";
    out.meta.name = "ingress-nginx-controller";
    out.data = std::move(data);
    store.upsert(std::make_shared<const Object>(std::move(out)));
  }
  void secret(const std::string& users) {
    Secret pair;
    pair.meta.ns = "default";
    pair.meta.name = "pair";
    pair.data = {{"ca.crt", "-----BEGIN CERTIFICATE-----"}, {"auth", users}};
    store.upsert(std::make_shared<const Object>(std::move(pair)));
  }
  void put(const std::string& name, const std::map<std::string, std::string>& annotations) {
    Ingress out = testing::bare_ingress("default", name, 1, annotations);
    IngressPath path{"/", "Prefix", {}};
    path.backend = testing::to_service();
    out.rules.push_back({name + ".example", {path}});
    store.upsert(std::make_shared<const Object>(std::move(out)));
  }
  // The settings of two Ingresses with these annotations, and `own` with a value each; `apart`: of two commits.
  std::pair<model::Shared<model::RouteSettings>, model::Shared<model::RouteSettings>> two(
      std::map<std::string, std::string> annotations, const std::string& own, const std::string& a,
      const std::string& b, bool apart) {
    annotations[own] = a;
    put("a", annotations);
    if (apart) store.commit();
    annotations[own] = b;
    put("b", annotations);
    return seen();
  }
  std::pair<model::Shared<model::RouteSettings>, model::Shared<model::RouteSettings>> seen() {
    const auto model = store.commit().model;
    return {model->hosts.at("a.example")->routes.front().settings,
            model->hosts.at("b.example")->routes.front().settings};
  }
  Store store{{}};
};

TEST_F(OneObject, IsThereOnceForAllWhoNameIt) {
  for (const bool apart : {false, true}) {
    const auto [a, b] = two({{"auth-type", "basic"},
                             {"auth-secret", "pair"},
                             {"custom-headers", "default/headers"},
                             {"auth-tls-secret", "default/pair"},
                             {"auth-url", "http://192.0.2.1/"},
                             {"auth-proxy-set-headers", "default/headers"}},
                            "proxy-body-size", "1", "2", apart);
    EXPECT_NE(a.get(), b.get());
    ASSERT_TRUE(a->basic_auth && a->custom_headers && a->client_auth && a->external_auth && a->source_ranges);
    EXPECT_EQ(a->basic_auth.get(), b->basic_auth.get());
    EXPECT_EQ(a->custom_headers.get(), b->custom_headers.get());
    EXPECT_EQ(a->client_auth.get(), b->client_auth.get());
    EXPECT_EQ(a->external_auth.get(), b->external_auth.get());
    EXPECT_EQ(a->source_ranges.get(), b->source_ranges.get());
  }
}

TEST_F(OneObject, IsThereOnceThoughThePartDiffers) {
  for (const bool apart : {false, true}) {
    auto [a, b] = two({{"auth-type", "basic"}, {"auth-secret", "pair"}}, "auth-realm", "a", "b", apart);
    EXPECT_NE(a->basic_auth.get(), b->basic_auth.get());
    EXPECT_EQ(a->basic_auth->users->text, "user:{PLAIN}password\n");
    EXPECT_EQ(a->basic_auth->users.part().get(), b->basic_auth->users.part().get());

    std::tie(a, b) = two({{"auth-tls-secret", "default/pair"}}, "auth-tls-match-cn", "CN=a", "CN=b", apart);
    EXPECT_EQ(a->client_auth->ca_pem.get(), "-----BEGIN CERTIFICATE-----");
    EXPECT_EQ(a->client_auth->ca_pem.part().get(), b->client_auth->ca_pem.part().get());

    std::tie(a, b) = two({{"backend-protocol", "HTTPS"}, {"proxy-ssl-secret", "default/pair"}}, "proxy-ssl-name",
                         "a.example", "b.example", apart);
    EXPECT_EQ(a->upstream_tls->ca_pem.get(), "-----BEGIN CERTIFICATE-----");
    EXPECT_EQ(a->upstream_tls->ca_pem.part().get(), b->upstream_tls->ca_pem.part().get());

    std::tie(a, b) = two({}, "denylist-source-range", "10.0.0.1", "10.0.0.2", apart);
    EXPECT_EQ(a->source_ranges->allowed->size(), 2u);
    EXPECT_EQ(a->source_ranges->allowed.part().get(), b->source_ranges->allowed.part().get());

    std::tie(a, b) = two({{"backend-protocol", "FCGI"}, {"fastcgi-params-configmap", "params"}}, "fastcgi-index",
                         "a.php", "b.php", apart);
    EXPECT_EQ(a->fastcgi->params->back().name, "APP_ENV");
    EXPECT_EQ(a->fastcgi->params.part().get(), b->fastcgi->params.part().get());
  }
}

TEST_F(OneObject, IsReadAnewInItsNextVersion) {
  auto [a, b] = two({{"auth-type", "basic"}, {"auth-secret", "pair"}}, "proxy-body-size", "1", "2", false);
  secret("other:{PLAIN}password\n");
  std::tie(a, b) = seen();
  EXPECT_EQ(a->basic_auth->users->text, "other:{PLAIN}password\n");
  EXPECT_EQ(a->basic_auth.get(), b->basic_auth.get());
}

}  // namespace
}  // namespace sluice::control
