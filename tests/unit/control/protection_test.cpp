// What protects never opens: what follows when it comes, goes and is edited, and what the webhook says.
#include <gtest/gtest.h>

#include <set>

#include "control/kube/annotations/registry.h"
#include "control/kube/grammar.h"
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
  auto u = put(options("{global-auth-url: 'ldap://auth/'}"));
  EXPECT_NE(closed(u, "a.example").find("global-auth-url"), std::string::npos);
  EXPECT_EQ(closed(u, "b.example"), "");
  EXPECT_EQ(u.change.hosts, std::vector<std::string>{"a.example"});
  EXPECT_NE(closed(put(options("{global-auth-url: ' '}")), "a.example"), "");
  u = put(options("{no-auth-locations: '/'}"));
  EXPECT_EQ(closed(u, "a.example"), "");
  u = put(options("{global-auth-url: 'ldap://auth/', no-auth-locations: '/'}"));
  EXPECT_EQ(closed(u, "a.example"), "");
  u = put(options("{global-auth-url: 'ldap://auth/'}"));
  EXPECT_NE(closed(u, "a.example"), "");
  u = put(options("{}"));
  EXPECT_EQ(closed(u, "a.example"), "");
  EXPECT_TRUE(u.model->report.entries.empty()) << model::Report::line(u.model->report.entries[0]);
}

TEST_F(Protection, OptionsThatAreDeletedOpenNothing) {
  const std::string guards = options("{global-auth-url: 'ldap://auth/', denylist-source-range: 192.0.2.0/24}");
  put(ingress("a", "a.example") + service("app") + slice("app", "10.0.0.1") + guards);
  auto u = remove(guards);
  EXPECT_NE(closed(u, "a.example"), "");
  EXPECT_FALSE(u.change.options);
  const auto& said = u.model->report.entries;
  const auto gone =
      std::find_if(said.begin(), said.end(), [](const auto& e) { return e.problem.reason == "MissingConfigMap"; });
  ASSERT_NE(gone, said.end());
  EXPECT_NE(gone->problem.consequence.find("still counts"), std::string::npos);
  // Another one says it all.
  u = put(options("{}"));
  EXPECT_EQ(closed(u, "a.example"), "");
  EXPECT_TRUE(u.model->report.entries.empty());
}

TEST_F(Protection, ADirectoryIsTakenAtItsWord) {
  settings.manifests = "somewhere";
  Store directory{settings};
  const auto guards = objects(options("{global-auth-url: 'ldap://auth/'}"));
  for (auto& o : objects(ingress("a", "a.example") + service("app") + slice("app", "10.0.0.1"))) directory.upsert(o);
  directory.upsert(guards.at(0));
  EXPECT_NE(closed(directory.commit(), "a.example"), "");
  directory.erase(*guards.at(0));
  EXPECT_EQ(closed(directory.commit(), "a.example"), "");
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
  const auto denied = [](const Update& u) {
    std::set<bool> found;
    for (const auto& route : u.model->hosts.at("h.example")->routes)
      found.insert(route.settings->client_auth && !route.settings->client_auth->denied.empty());
    return found;
  };
  EXPECT_EQ(denied(put(world)), std::set<bool>{false});
  EXPECT_EQ(denied(put(guarded)), std::set<bool>{true});
  EXPECT_EQ(denied(remove(guarded)), std::set<bool>{false});
}

TEST_F(Protection, TheWebhookTakesWhatForbidsNothingAndRefusesWhatWouldBeClosed) {
  put(ingress("site", "h.example") + service("app") + slice("app", "10.0.0.1"));
  auto r = review(annotated("solver", "i.example", "whitelist-source-range", "0.0.0.0/0,::/0"));
  EXPECT_TRUE(r.allowed) << r.message;
  EXPECT_TRUE(r.warnings.empty());
  EXPECT_TRUE(review(annotated("a", "i.example", "whitelist-source-range", "10.0.0.0/8")).allowed);
  r = review(annotated("a", "i.example", "whitelist-source-range", "10.0.0.0/8, office"));
  EXPECT_FALSE(r.allowed);
  EXPECT_NE(r.message.find("the paths of this Ingress answer 503"), std::string::npos) << r.message;
  r = review(annotated("a", "i.example", "auth-type", "digests"));
  EXPECT_FALSE(r.allowed);
  EXPECT_NE(r.message.find("--accept-unprotected auth-type"), std::string::npos) << r.message;
  r = review(annotated("a", "i.example", "server-snippet", "deny all;"));
  EXPECT_FALSE(r.allowed);
  EXPECT_NE(r.message.find("annotations-risk-level"), std::string::npos) << r.message;
  // The path is its main Ingress's, and is meant to be.
  r = review(annotated("canary", "h.example", "canary", "true"));
  EXPECT_TRUE(r.allowed) << r.message;
  ASSERT_EQ(r.warnings.size(), 1U);  // its Service is the main one's
  EXPECT_NE(r.warnings[0].find("CanaryWithoutEffect"), std::string::npos) << r.warnings[0];
}

TEST_F(Protection, TheWebhookWarnsOfWhatClosesWithoutAFaultOfTheIngress) {
  put(ingress("site", "h.example") + annotated("admin", "h.example", "auth-type", "digests") + service("app") +
      slice("app", "10.0.0.1") + options("{http-snippet: deny all;}"));
  auto r = review(ingress("plain", "i.example"));
  EXPECT_TRUE(r.allowed);
  ASSERT_EQ(r.warnings.size(), 1U);
  EXPECT_NE(r.warnings[0].find("http-snippet"), std::string::npos);
  put(options("{}"));
  // What it guards cannot be told once the paths beside it are regular expressions, as its own is none.
  auto unreadable = annotated("admin", "h.example", "auth-type", "digests");
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

// "deny 10.0.0.0/8 allow " of the first route of a host; "" when everybody may come.
std::string ranges(const Update& u, const std::string& host) {
  const auto& settings = *u.model->hosts.at(host)->routes.at(0).settings;
  if (!settings.source_ranges) return "";
  return "deny " + source_ranges_text(settings.source_ranges->denied) + " allow " +
         source_ranges_text(settings.source_ranges->allowed);
}

TEST_F(Protection, ListsOfAddressesOfAnIngressStandInPlaceOfTheConfigMaps) {
  const auto world = ingress("none", "none.example") +
                     annotated("allow", "allow.example", "whitelist-source-range", "10.1.0.0/16") +
                     annotated("deny", "deny.example", "denylist-source-range", "10.2.0.0/16,2001:db8::/32") +
                     annotated("all", "all.example", "allowlist-source-range", "0.0.0.0/0,::/0") + service("app") +
                     slice("app", "10.0.0.1");
  auto u = put(world + options("{block-cidrs: '192.0.2.0/24, 0.0.0.0/0'}"));
  EXPECT_EQ(ranges(u, "none.example"), "deny 192.0.2.0/24,0.0.0.0/0 allow ");
  EXPECT_EQ(ranges(u, "allow.example"), "deny  allow 10.1.0.0/16");
  EXPECT_EQ(ranges(u, "deny.example"), "deny 10.2.0.0/16,2001:db8::/32 allow ");
  EXPECT_EQ(ranges(u, "all.example"), "deny  allow 0.0.0.0/0,::/0");
  u = put(options("{block-cidrs: 192.0.2.0/24, whitelist-source-range: '10.3.0.0/16', denylist-source-range: '::/0'}"));
  EXPECT_EQ(ranges(u, "none.example"), "deny ::/0 allow 10.3.0.0/16");
  EXPECT_EQ(ranges(u, "allow.example"), "deny ::/0 allow 10.1.0.0/16");
  EXPECT_EQ(ranges(u, "deny.example"), "deny 10.2.0.0/16,2001:db8::/32 allow 10.3.0.0/16");
  EXPECT_EQ(ranges(u, "all.example"), "deny ::/0 allow 0.0.0.0/0,::/0");
  u = put(options("{}"));
  EXPECT_EQ(ranges(u, "none.example"), "");
  EXPECT_TRUE(u.model->report.entries.empty()) << model::Report::line(u.model->report.entries[0]);
}

// Nobody knows who was meant.
TEST_F(Protection, AListOfTheConfigMapThatCannotBeReadOpensNothing) {
  const auto world = ingress("none", "none.example") + service("app") + slice("app", "10.0.0.1");
  put(world);
  EXPECT_EQ(ranges(put(options("{denylist-source-range: '10.0.0.0/8, office'}")), "none.example"),
            "deny 0.0.0.0/0,::/0 allow ");
  EXPECT_EQ(ranges(put(options("{block-cidrs: 'office'}")), "none.example"), "deny 0.0.0.0/0,::/0 allow ");
  EXPECT_EQ(ranges(put(options("{whitelist-source-range: '10.0.0.0/8, office'}")), "none.example"),
            "deny  allow 10.0.0.0/8");
  const auto u = put(options("{whitelist-source-range: 'office'}"));
  EXPECT_EQ(ranges(u, "none.example"), "deny  allow 0.0.0.0/32");
  ASSERT_EQ(u.model->report.entries.size(), 1u);
  EXPECT_EQ(u.model->report.entries[0].problem.reason, "InvalidOption");
}

// What its pattern matches is an Ingress's with its list, and the neighbour's is without.
TEST_F(Protection, ListsBesideRegularExpressionsAreThoseOfThePathThatMatches) {
  const auto guarded =
      "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: admin\n  annotations: "
      "{nginx.ingress.kubernetes.io/use-regex: 'true', nginx.ingress.kubernetes.io/denylist-source-range: "
      "'10.0.0.0/8'}\nspec:\n  ingressClassName: nginx\n  rules:\n  - host: h.example\n    http: {paths: [{path: "
      "'/x.*', "
      "pathType: ImplementationSpecific, backend: {service: {name: app, port: {number: 80}}}}]}\n";
  const auto u = put(ingress("site", "h.example") + service("app") + slice("app", "10.0.0.1") + guarded);
  EXPECT_EQ(closed(u, "h.example"), "");
  std::map<std::string, bool> listed;
  for (const auto& route : u.model->hosts.at("h.example")->routes) {
    EXPECT_EQ(route.match, model::PathMatch::pattern) << route.path.view();
    listed[route.path.str()] = static_cast<bool>(route.settings->source_ranges);
  }
  EXPECT_EQ(listed, (std::map<std::string, bool>{{"/", false}, {"/x.*", true}}));
}

// Which requests it would keep out is not known, and they are the neighbour's now.
TEST_F(Protection, AGuardOfAPathThatCannotBeReadClosesUntilAllAreEqual) {
  const std::vector<std::pair<std::string, std::string>> guards{
      {"denylist-source-range", "10.0.0.0/8"},
      {"whitelist-source-range", "10.0.0.0/8"},
      {"auth-url", "http://auth.example/check"},
      {"configuration-snippet", "deny 10.0.0.0/8;"},
      {"configuration-snippet", "return 403;"},
      {"configuration-snippet", "auth_request /auth;"},
      {"configuration-snippet", "if ($http_x_key != secret) { return 403; }"}};
  const auto broken = [](const std::string& more) {
    return "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: admin\n  annotations: "
           "{nginx.ingress.kubernetes.io/use-regex: 'true'" +
           more +
           "}\nspec:\n  ingressClassName: nginx\n  rules:\n  - host: h.example\n    http: {paths: [{path: '/x(', "
           "pathType: ImplementationSpecific, backend: {service: {name: app, port: {number: 80}}}}, {path: /y, "
           "pathType: "
           "ImplementationSpecific, backend: {service: {name: app, port: {number: 80}}}}]}\n";
  };
  const auto site = ingress("site", "h.example") + service("app") + slice("app", "10.0.0.1");
  const auto allowed =
      "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: ingress-nginx-controller, namespace: "
      "ingress-nginx}\ndata: {allow-snippet-annotations: 'true', annotations-risk-level: Critical}\n";
  for (const auto& [name, value] : guards) {
    const auto guard = ", nginx.ingress.kubernetes.io/" + name + ": '" + value + "'";
    auto u = put(allowed + site + broken(guard));
    EXPECT_NE(closed(u, "h.example").find("does not let all requests to its paths"), std::string::npos)
        << name << ": " << value << ": " << closed(u, "h.example");
    u = put(broken(guard) + annotated("site", "h.example", name, value));
    EXPECT_EQ(closed(u, "h.example"), "") << name << ": " << value;
  }
  // What keeps nobody out closes nothing: how often, and what answers have.
  for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{
           {"limit-rps", "5"}, {"enable-cors", "true"}, {"configuration-snippet", "add_header X-A b;"}})
    EXPECT_EQ(closed(put(site + broken(", nginx.ingress.kubernetes.io/" + name + ": '" + value + "'")), "h.example"),
              "")
        << name;
}

// The table that the question was asked of: each annotation of ingress-nginx once, those that guard among them.
TEST(ProtectionTable, HoldsEveryAnnotationOfIngressNginxOnce) {
  std::set<std::string_view> names;
  for (const auto& a : annotations()) EXPECT_TRUE(names.insert(a.name).second) << a.name;
  for (const auto& u : unserved_annotations()) EXPECT_TRUE(names.insert(u.name).second) << u.name;
  for (const auto* own :
       {"ambiguous-paths", "enable-grpc-web", "fastcgi-keep-conn", "health-check", "health-check-expect",
        "health-check-healthy-after", "health-check-host", "health-check-interval", "health-check-path",
        "health-check-service", "health-check-timeout", "health-check-unhealthy-after", "hedge-delay", "priority",
        "proxy-next-upstream-try-timeout", "request-timeout", "slow-start", "upstream-hash-by-balance-factor",
        "upstream-hash-by-policy"})
    EXPECT_EQ(names.erase(own), 1U) << own;
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
