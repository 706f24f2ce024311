// What protects never opens: what follows when it comes, goes and is edited, and what the webhook says.
#include <gtest/gtest.h>

#include "control/kube/annotations/registry.h"
#include "control/kube/store.h"
#include "scratch.h"

namespace sluice::control {
namespace {

using testing::ingress;
using testing::objects;
using testing::service;
using testing::slice;

std::string options(const std::string& data) {
  return "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: ingress-nginx-controller, namespace: ingress-nginx}\n"
         "data: " +
         data + "\n";
}

std::string annotated(const std::string& name, const std::string& host, const std::string& annotation,
                      const std::string& value) {
  return ingress(name, host, "app", "{nginx.ingress.kubernetes.io/" + annotation + ": '" + value + "'}");
}

struct Protection : ::testing::Test {
  Settings settings;
  Store store{settings};
  Update put(const std::string& yaml) {
    for (auto& o : objects(yaml)) store.upsert(o);
    return store.commit();
  }
  Update remove(const std::string& yaml) {
    for (auto& o : objects(yaml)) store.erase(*o);
    return store.commit();
  }
  Review review(const std::string& yaml) { return store.review(*objects(yaml).at(0)); }
};

// Why the first route of a host answers 503; empty when it is open.
std::string closed(const Update& u, const std::string& host) {
  const auto it = u.model->hosts.find(host);
  if (it == u.model->hosts.end()) return "no such host";
  const auto& route = it->second->routes.at(0);
  return route.status == 404 ? "404" : route.because.str();
}

TEST_F(Protection, AnOptionThatIsEditedClosesAndOpensEveryHost) {
  const auto world = ingress("a", "a.example") + annotated("b", "b.example", "enable-global-auth", "false") +
                     service("app") + slice("app", "10.0.0.1");
  EXPECT_EQ(closed(put(world + options("{}")), "a.example"), "");
  auto u = put(options("{global-auth-url: 'http://auth/'}"));
  EXPECT_NE(closed(u, "a.example").find("global-auth-url"), std::string::npos);
  EXPECT_EQ(closed(u, "b.example"), "");
  EXPECT_EQ(u.change.hosts, std::vector<std::string>{"a.example"});
  u = put(options("{no-auth-locations: '/'}"));
  EXPECT_EQ(closed(u, "a.example"), "");
  u = put(options("{global-auth-url: 'http://auth/', no-auth-locations: '/'}"));
  EXPECT_EQ(closed(u, "a.example"), "");
  u = put(options("{global-auth-url: 'http://auth/'}"));
  EXPECT_NE(closed(u, "a.example"), "");
  u = remove(options("{}"));
  EXPECT_EQ(closed(u, "a.example"), "");
  EXPECT_TRUE(u.model->report.entries.empty()) << model::Report::line(u.model->report.entries[0]);
}

TEST_F(Protection, TheLevelOfRiskThatIsEditedTakesIngressesOutAndIn) {
  const auto world = annotated("a", "a.example", "permanent-redirect", "https://x.example/") + service("app") +
                     slice("app", "10.0.0.1");
  EXPECT_EQ(closed(put(world), "a.example"), "");
  EXPECT_EQ(closed(put(options("{annotations-risk-level: low}")), "a.example"), "404");
  EXPECT_EQ(closed(put(options("{annotations-risk-level: MEDIUM}")), "a.example"), "");
  EXPECT_EQ(closed(put(options("{annotation-value-word-blocklist: 'x.example'}")), "a.example"), "404");
}

TEST_F(Protection, ANeighbourThatComesClosesAndThatGoesOpens) {
  const auto world = ingress("a", "h.example") + service("app") + slice("app", "10.0.0.1");
  const auto guarded = annotated("b", "h.example", "auth-tls-secret", "default/ca");
  EXPECT_EQ(closed(put(world), "h.example"), "");
  EXPECT_NE(closed(put(guarded), "h.example").find("auth-tls-secret"), std::string::npos);
  EXPECT_EQ(closed(remove(guarded), "h.example"), "");
}

TEST_F(Protection, TheWebhookTakesWhatForbidsNothingAndRefusesWhatWouldBeClosed) {
  put(ingress("site", "h.example") + service("app") + slice("app", "10.0.0.1"));
  auto r = review(annotated("solver", "i.example", "whitelist-source-range", "0.0.0.0/0,::/0"));
  EXPECT_TRUE(r.allowed) << r.message;
  EXPECT_TRUE(r.warnings.empty());
  r = review(annotated("a", "i.example", "whitelist-source-range", "0.0.0.0/0"));
  EXPECT_FALSE(r.allowed);
  EXPECT_NE(r.message.find("--accept-unprotected whitelist-source-range"), std::string::npos) << r.message;
  r = review(annotated("a", "i.example", "server-snippet", "deny all;"));
  EXPECT_FALSE(r.allowed);
  EXPECT_NE(r.message.find("annotations-risk-level"), std::string::npos) << r.message;
  // The path is its main Ingress's, and is meant to be.
  r = review(annotated("canary", "h.example", "canary", "true"));
  EXPECT_TRUE(r.allowed) << r.message;
  ASSERT_EQ(r.warnings.size(), 1U);
  EXPECT_NE(r.warnings[0].find("nothing of it is served"), std::string::npos);
}

TEST_F(Protection, TheWebhookWarnsOfWhatClosesWithoutAFaultOfTheIngress) {
  put(ingress("site", "h.example") + annotated("admin", "h.example", "auth-type", "basic") + service("app") +
      slice("app", "10.0.0.1") + options("{block-cidrs: '10.0.0.0/8'}"));
  auto r = review(ingress("plain", "i.example"));
  EXPECT_TRUE(r.allowed);
  ASSERT_EQ(r.warnings.size(), 1U);
  EXPECT_NE(r.warnings[0].find("block-cidrs"), std::string::npos);
  put(options("{}"));
  // What it guards cannot be told once the paths beside it are regular expressions, as its own is none.
  auto unreadable = annotated("admin", "h.example", "auth-type", "basic");
  unreadable.replace(unreadable.find("path: /\n"), 8, "path: /x(\n");
  put(unreadable);
  const auto regex =
      "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: regex\n  annotations: "
      "{nginx.ingress.kubernetes.io/use-regex: 'true'}\nspec:\n  "
      "ingressClassName: nginx\n  rules:\n  - host: "
      "h.example\n"
      "    http: {paths: [{path: '/y.*', pathType: ImplementationSpecific, backend: {service: {name: app, port: "
      "{number: "
      "80}}}}]}\n";
  r = review(regex);
  EXPECT_TRUE(r.allowed) << r.message;
  const auto says = [&](const std::string& name) {
    return std::any_of(r.warnings.begin(), r.warnings.end(), [&](const std::string& w) {
      return w.find("Ingress default/" + name + ": ") != std::string::npos && w.find("ClosedHost") != std::string::npos;
    });
  };
  EXPECT_TRUE(says("site"));
  EXPECT_TRUE(says("regex"));
}

// The table that the question was asked of: each annotation of ingress-nginx once, those that guard among them.
TEST(ProtectionTable, HoldsEveryAnnotationOfIngressNginxOnce) {
  std::set<std::string_view> names;
  for (const auto& a : annotations()) EXPECT_TRUE(names.insert(a.name).second) << a.name;
  for (const auto& u : unserved_annotations()) EXPECT_TRUE(names.insert(u.name).second) << u.name;
  for (const auto* own : {"ambiguous-paths", "enable-grpc-web"}) EXPECT_EQ(names.erase(own), 1U) << own;
  EXPECT_EQ(names.size(), 138U);  // 136 and two other names: whitelist-source-range, limit-whitelist
  for (const auto* snippet :
       {"auth-snippet", "configuration-snippet", "modsecurity-snippet", "server-snippet", "stream-snippet"}) {
    EXPECT_EQ(risk_of(snippet), model::Risk::critical) << snippet;
    EXPECT_TRUE(guards(snippet)) << snippet;
  }
  EXPECT_EQ(risk_of("canary"), model::Risk::low);
  EXPECT_EQ(risk_of("x-forwarded-prefix"), model::Risk::medium);
  EXPECT_EQ(risk_of("no-such"), model::Risk::low);
  EXPECT_NE(check_unprotected("no-such").find("auth-type"), std::string::npos);
  EXPECT_NE(check_unprotected("limit-rps"), "");
}

}  // namespace
}  // namespace sluice::control
