// The Store: what a change rebuilds, and what it leaves alone.
#include "control/kube/store.h"

#include <gtest/gtest.h>

#include <random>

#include "store_fixture.h"

namespace sluice::control {
namespace {

using testing::Fixture;
using testing::ingress;
using testing::objects;
using testing::service;
using testing::slice;

std::string world(int n) {
  std::string out;
  for (int i = 0; i < n; ++i) {
    auto k = std::to_string(i);
    out += ingress("i" + k, "h" + k + ".example", "s" + k) + service("s" + k) +
           slice("s" + k, "10.0.0." + std::to_string(i % 250 + 1));
  }
  return out;
}

TEST_F(Fixture, TheFirstUpdateIsEverything) {
  auto u = put(world(5));
  EXPECT_TRUE(u.first);
  EXPECT_TRUE(u.change.everything);
  EXPECT_EQ(u.model->hosts.size(), 5U);
  EXPECT_EQ(u.model->clusters.size(), 5U);
  EXPECT_TRUE(u.model->report.entries.empty());
}

// As a fresh process says it, whatever came first.
TEST_F(Fixture, WhatIsWrongWithAServiceIsSaidOfTheFirstWhoNamesIt) {
  const auto named = [](const Update& u) {
    std::string all;
    for (const auto& e : u.model->report.entries) all += e.object.text() + " ";
    return all;
  };
  EXPECT_EQ(named(put(ingress("b", "b.example", "gone"))), "Ingress default/b ");
  EXPECT_EQ(named(put(ingress("a", "a.example", "gone"))), "Ingress default/a ");
  EXPECT_EQ(named(put(ingress("a", "c.example", "gone"))), "Ingress default/b ");
}

TEST_F(Fixture, AnEndpointChangeTouchesItsClusterAlone) {
  auto first = put(world(200));
  auto host = first.model->hosts.at("h7.example");
  auto other = first.model->clusters.at("default/s8:80");
  first = {};
  auto u = put(slice("s7", "10.9.9.9"));
  EXPECT_EQ(clusters(), 1U);
  EXPECT_EQ(hosts(), 0U);
  EXPECT_EQ(ingresses(), 0U);
  EXPECT_EQ(u.change.clusters, std::vector<std::string>{"default/s7:80"});
  EXPECT_TRUE(u.change.hosts.empty());
  EXPECT_EQ(u.model->clusters.at("default/s7:80")->endpoints[0].address, "10.9.9.9");
  EXPECT_EQ(u.model->hosts.at("h7.example"), host);
  EXPECT_EQ(u.model->clusters.at("default/s8:80"), other);
}

// Each port of a Service has a copy of the endpoints: many ports share what a Service may have.
TEST_F(Fixture, ManyPortsOfAServiceShareACeiling) {
  const auto service = [](int ports, int endpoints) {
    std::string out = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec:\n  ports:\n";
    std::string slice =
        "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: s-1, labels: "
        "{kubernetes.io/service-name: s}}\naddressType: IPv4\nports:\n";
    for (int i = 0; i < ports; ++i) {
      const auto n = std::to_string(i);
      out += "  - {name: p" + n + ", port: " + std::to_string(1000 + i) + "}\n";
      slice += "- {name: p" + n + ", port: " + std::to_string(2000 + i) + "}\n";
    }
    slice += "endpoints:\n";
    for (int i = 0; i < endpoints; ++i)
      slice += "- addresses: [10.0." + std::to_string(i / 250) + "." + std::to_string(1 + i % 250) + "]\n";
    return out + slice;
  };
  const auto ingress = [](int ports, const std::string& annotations = "{}") {
    std::string out =
        "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: i, annotations: " + annotations +
        "}\nspec:\n  ingressClassName: nginx\n  rules:\n  - host: h.example\n    http:\n      paths:\n";
    for (int i = 0; i < ports; ++i)
      out += "      - {path: /" + std::to_string(i) +
             ", pathType: Prefix, backend: {service: {name: s, port: {number: " + std::to_string(1000 + i) + "}}}}\n";
    return out;
  };
  const auto endpoints = [](const Update& u, const std::string& port) {
    return u.model->clusters.at("default/s:" + port)->endpoints.size();
  };
  const auto told = [](const Update& u) {
    return std::ranges::count_if(u.model->report.entries, [](auto& e) { return e.problem.reason == "TooMany"; });
  };
  auto u = put(service(100, 1000) + ingress(4));
  EXPECT_EQ(endpoints(u, "1003"), 1000U) << "four ports have what they like";
  EXPECT_EQ(told(u), 0);
  u = put(ingress(100));
  EXPECT_EQ(u.model->clusters.size(), 100U);
  EXPECT_EQ(endpoints(u, "1000"), 500U) << "those that were there before share, too";
  EXPECT_EQ(endpoints(u, "1099"), 500U);
  EXPECT_EQ(told(u), 100);
  u = put(ingress(40));
  EXPECT_EQ(endpoints(u, "1000"), 1000U) << "what is not used any more takes nothing";
  EXPECT_EQ(told(u), 0);
  u = put(ingress(40, "{nginx.ingress.kubernetes.io/upstream-hash-by: $uri}"));
  EXPECT_EQ(endpoints(u, "1000"), 100U) << "places on a ring take more";
  u = put(ingress(4));
  EXPECT_EQ(endpoints(u, "1000"), 1000U);
  EXPECT_EQ(endpoints(u, "1003"), 1000U);
}

TEST_F(Fixture, AnAppProtocolTouchesItsClustersAlone) {
  auto host = put(world(200)).model->hosts.at("h7.example");
  auto spoken = service("s7");
  const auto at = spoken.find("port: 80");
  ASSERT_NE(at, std::string::npos);
  auto u = put(spoken.insert(at, "appProtocol: kubernetes.io/h2c, "));
  EXPECT_EQ(clusters(), 1U);
  EXPECT_EQ(hosts(), 0U);
  EXPECT_EQ(u.change.clusters, std::vector<std::string>{"default/s7:80"});
  EXPECT_TRUE(u.change.hosts.empty());
  EXPECT_EQ(u.model->clusters.at("default/s7:80")->protocol, model::BackendProtocol::grpc);
  EXPECT_EQ(u.model->hosts.at("h7.example"), host);
}

TEST_F(Fixture, AnIngressChangeRebuildsItsHostsAlone) {
  put(world(200));
  auto u = put(ingress("i7", "h7.example", "s7", "{nginx.ingress.kubernetes.io/proxy-body-size: 9m}"));
  EXPECT_EQ(hosts(), 1U);
  EXPECT_EQ(clusters(), 0U);
  EXPECT_EQ(u.change.hosts, std::vector<std::string>{"h7.example"});
  EXPECT_EQ(u.model->hosts.at("h7.example")->routes[0].settings->body_limit, 9U << 20);
}

TEST_F(Fixture, ARenamedHostLeavesTheOldOne) {
  put(world(3));
  auto u = put(ingress("i1", "new.example", "s1"));
  EXPECT_FALSE(u.model->hosts.contains("h1.example"));
  EXPECT_TRUE(u.model->hosts.contains("new.example"));
  EXPECT_EQ(u.change.hosts, (std::vector<std::string>{"h1.example", "new.example"}));
  EXPECT_TRUE(u.model->clusters.contains("default/s1:80"));
}

TEST_F(Fixture, ClustersGoWithTheirLastRoute) {
  put(world(3));
  auto u = remove(ingress("i1", "h1.example", "s1"));
  EXPECT_FALSE(u.model->clusters.contains("default/s1:80"));
  EXPECT_EQ(u.change.clusters, std::vector<std::string>{"default/s1:80"});
  u = put(ingress("i1", "h1.example", "s1"));
  EXPECT_EQ(u.model->clusters.at("default/s1:80")->endpoints.size(), 1U);
}

TEST_F(Fixture, ServicesAndSlicesMayComeLater) {
  auto u = put(ingress("a", "a.example"));
  EXPECT_EQ(u.model->clusters.at("default/app:80")->empty_because, "Service default/app does not exist");
  u = {};
  u = put(service("app"));
  EXPECT_NE(u.model->clusters.at("default/app:80")->empty_because, "");
  ASSERT_EQ(u.model->report.entries.size(), 1U);
  EXPECT_EQ(u.model->report.entries[0].problem.reason, "NoEndpoints");
  u = {};
  u = put(slice("app", "10.0.0.1"));
  EXPECT_EQ(u.model->clusters.at("default/app:80")->empty_because, "");
  EXPECT_TRUE(u.model->report.entries.empty());
  u = {};
  u = remove(slice("app", "10.0.0.1"));
  EXPECT_TRUE(u.model->clusters.at("default/app:80")->endpoints.empty());
}

TEST_F(Fixture, ASliceMayMoveToAnotherService) {
  put(ingress("a", "a.example") + service("app") + slice("app", "10.0.0.1", "x") + ingress("b", "b.example", "other") +
      service("other"));
  auto u = put(slice("other", "10.0.0.1", "x"));
  EXPECT_TRUE(u.model->clusters.at("default/app:80")->endpoints.empty());
  EXPECT_EQ(u.model->clusters.at("default/other:80")->endpoints.size(), 1U);
}

TEST_F(Fixture, ASliceMayMoveAndGoInOneBatch) {
  put(ingress("a", "a.example") + service("app") + slice("app", "10.0.0.1", "x") + slice("app", "10.0.0.2", "w") +
      ingress("b", "b.example", "other") + service("other") + slice("other", "10.0.0.3", "z"));
  // What is told is the last form, for another Service than the one it was known with.
  auto u = remove(slice("other", "10.0.0.9", "x"));
  EXPECT_EQ(u.change.clusters, std::vector<std::string>{"default/app:80"});
  ASSERT_EQ(u.model->clusters.at("default/app:80")->endpoints.size(), 1U);
  EXPECT_EQ(u.model->clusters.at("default/app:80")->endpoints[0].address, "10.0.0.2");
  EXPECT_EQ(u.model->clusters.at("default/other:80")->endpoints.size(), 1U);
}

TEST_F(Fixture, TheSameObjectAgainChangesNothing) {
  put(world(3));
  auto u = put(world(3));
  EXPECT_TRUE(u.change.empty());
}

TEST_F(Fixture, AnInvalidEditIsNotServedAndSaysSo) {
  put(world(1));
  auto u = put(ingress("i0", "h0.example", "other", "{nginx.ingress.kubernetes.io/permanent-redirect: bad url}"));
  // The host stays its namespace's, though nothing of it is served: a wildcard host would take its requests else.
  const auto host = u.model->hosts.at("h0.example");
  EXPECT_EQ(host->ns, "default");
  ASSERT_EQ(host->routes.size(), 1U);
  EXPECT_EQ(host->routes[0].status, 404);
  EXPECT_TRUE(host->routes[0].cluster.empty());
  ASSERT_EQ(u.model->report.entries.size(), 1U);
  EXPECT_EQ(u.model->report.entries[0].problem.severity, model::Severity::error);
  u = {};
  u = put(ingress("i0", "h0.example", "other"));
  EXPECT_EQ(u.model->hosts.at("h0.example")->routes[0].service, "other");
}

TEST_F(Fixture, OptionsReachEveryRoute) {
  put(world(3));
  auto u =
      put("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ingress-nginx-controller, namespace: "
          "ingress-nginx}\ndata: {proxy-body-size: 3m}\n");
  EXPECT_TRUE(u.change.options);
  EXPECT_EQ(u.change.hosts.size(), 3U);
  EXPECT_EQ(u.model->hosts.at("h1.example")->routes[0].settings->body_limit, 3U << 20);
  u = {};
  u =
      put("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ingress-nginx-controller, namespace: "
          "ingress-nginx}\ndata: {proxy-body-size: 3m, keep-alive: \"9\"}\n");
  EXPECT_TRUE(u.change.options);
  EXPECT_TRUE(u.change.hosts.empty());
  EXPECT_EQ(hosts(), 0U);
}

TEST_F(Fixture, ClassesDecideAnew) {
  auto u = put(ingress("a", "a.example") + service("app"));
  EXPECT_TRUE(u.model->hosts.contains("a.example"));
  const std::string other =
      "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: nginx}\nspec: {controller: "
      "example.com/other}\n";
  u = {};
  u = put(other);
  EXPECT_FALSE(u.model->hosts.contains("a.example"));
  u = {};
  u = remove(other);
  EXPECT_TRUE(u.model->hosts.contains("a.example"));
}

const std::string kTls =
    "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: t}\nspec:\n  ingressClassName: nginx\n  tls: "
    "[{hosts: [t.example], secretName: crt}]\n  rules: [{host: t.example}]\n";
std::string secret(const std::string& body) {
  return "apiVersion: v1\nkind: Secret\nmetadata: {name: crt}\ntype: kubernetes.io/tls\nstringData: {tls.crt: "
         "\"-----BEGIN CERTIFICATE-----\\n" +
         body + "\", tls.key: \"" + (body == "broken" ? "" : "-----BEGIN PRIVATE KEY-----\\n" + body) + "\"}\n";
}

TEST_F(Fixture, CertificatesFollowTheirSecretAlone) {
  auto u = put(kTls);
  EXPECT_TRUE(u.model->certificates.empty());
  u = {};
  u = put(secret("one"));
  EXPECT_EQ(u.change.certificates, std::vector<std::string>{"default/crt"});
  EXPECT_EQ(hosts(), 0U);
  u = {};
  u = put(secret("broken"));
  EXPECT_NE(u.model->certificates.at("default/crt")->chain_pem.find("one"), std::string::npos);
  EXPECT_TRUE(u.change.certificates.empty());
  u = {};
  u = put(secret("two"));
  EXPECT_NE(u.model->certificates.at("default/crt")->chain_pem.find("two"), std::string::npos);
  u = {};
  u = remove(kTls);
  EXPECT_TRUE(u.model->certificates.empty());
}

// What is used in its place is said: the default certificate, unless the host has other pairs.
TEST_F(Fixture, AMissingSecretBesideOthersOfTheHost) {
  const auto tls = [](const std::string& sections) {
    return "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: t}\nspec:\n  ingressClassName: nginx\n  "
           "tls: [" +
           sections + "]\n  rules: [{host: t.example}]\n";
  };
  const std::string gone = "{hosts: [t.example], secretName: gone}", other = "{hosts: [t.example], secretName: crt}";
  const auto said = [](const Update& u) {
    for (const auto& e : u.model->report.entries)
      if (e.problem.reason == "MissingSecret") return e.problem.consequence;
    return std::string();
  };
  put(secret("one"));
  EXPECT_EQ(said(put(tls(gone))), "the default certificate is used");
  const auto both = put(tls(gone + "," + other));
  EXPECT_EQ(said(both), "the other pairs of the host are used, or the default certificate where there is none");
  EXPECT_EQ(said(put(tls(gone))), "the default certificate is used");
  EXPECT_EQ(said(put(tls(other))), "");
}

TEST_F(Fixture, SecretsNobodyNamesAreNotInTheModel) {
  auto u = put(secret("one"));
  EXPECT_TRUE(u.model->certificates.empty());
}

TEST_F(Fixture, AModelThatIsHeldDoesNotChange) {
  auto held = put(world(2));
  auto address = held.model.get();
  auto next = put(slice("s0", "10.9.9.9"));
  EXPECT_NE(next.model.get(), address);
  EXPECT_EQ(held.model->clusters.at("default/s0:80")->endpoints[0].address, "10.0.0.1");
  address = next.model.get();
  held = {};
  next = {};
  EXPECT_EQ(put(slice("s0", "10.9.9.8")).model.get(), address);
}

// A holder that always keeps the last Model and lets go of the one before, as the app does.
TEST_F(Fixture, TwoModelsTakeTurnsAndAgree) {
  auto held = put(world(50)).model;
  std::set<const model::Model*> seen{held.get()};
  for (int i = 0; i < 30; ++i) {
    auto k = std::to_string(i);
    held = put(i % 3 == 0   ? slice("s" + k, "10.9.9." + k)
               : i % 3 == 1 ? ingress("i" + k, "moved" + k + ".example", "s" + k)
                            : ingress("bad" + k, "not_a_host", "s" + k))
               .model;
    seen.insert(held.get());
  }
  EXPECT_LE(seen.size(), 3U);
  std::map<std::string, ObjectPtr> all;
  for (auto& o : objects(world(50))) all[identity(*o)] = o;
  for (int i = 0; i < 30; ++i) {
    auto k = std::to_string(i);
    for (auto& o : objects(i % 3 == 0   ? slice("s" + k, "10.9.9." + k)
                           : i % 3 == 1 ? ingress("i" + k, "moved" + k + ".example", "s" + k)
                                        : ingress("bad" + k, "not_a_host", "s" + k)))
      all[identity(*o)] = o;
  }
  expect_same(*held, all);
}

// As the API of a cluster tells it: of what happened to an object within a batch only the last counts, and what is gone
// is told by its last form, which may never have been taken.
TEST_F(Fixture, AnyOrderOfChangesMeansWhatIsThereAtTheEnd) {
  for (unsigned seed = 0; seed < 40; ++seed) {
    std::mt19937 random(seed);
    const auto any = [&](unsigned n) { return std::to_string(random() % n); };
    const auto form = [&] {
      switch (random() % 6) {
        case 0:
          return service("s" + any(3));
        case 1:
          return ingress("i" + any(4), random() % 8 ? "h" + any(4) + ".example" : "not_a_host", "s" + any(3),
                         random() % 3 ? "{}" : "{nginx.ingress.kubernetes.io/proxy-body-size: " + any(3) + "m}");
        case 2:
          return "---\napiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: nginx}\nspec: "
                 "{controller: " +
                 std::string(random() % 2 ? "k8s.io/ingress-nginx" : "example.com/other") + "}\n";
        case 3:
          return "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: ingress-nginx-controller, namespace: "
                 "ingress-nginx}\ndata: {keep-alive-requests: \"" +
                 std::to_string(900 + random() % 3) + "\"}\n";
        default:
          return slice("s" + any(3), "10.0.0." + any(9), "x" + any(4));
      }
    };
    Store followed{Settings{}};
    std::map<std::string, ObjectPtr> there;
    std::map<std::string, std::pair<ObjectPtr, ObjectPtr>> waiting;  // upserted, or erased
    std::shared_ptr<const model::Model> model;
    for (int change = 0; change < 300; ++change) {
      const ObjectPtr o = objects(form()).front();
      const std::string id = identity(*o);
      // Options that are deleted count on: that is no matter of what is there alone (protection_test.cpp).
      const bool stays = std::holds_alternative<ConfigMap>(*o);
      if (const auto known = there.find(id); known != there.end() && !stays && random() % 3 == 0) {
        waiting[id] = {nullptr, known->second};
        there.erase(known);
      } else {
        waiting[id] = {o, nullptr};
        there[id] = o;
      }
      if (random() % 5 && change + 1 < 300) continue;
      ObjectChanges batch;
      for (const auto& [name, w] : waiting)
        (w.first ? batch.upserts : batch.erased).push_back(w.first ? w.first : w.second);
      waiting.clear();
      followed.apply(batch);
      model = followed.commit().model;
    }
    expect_same(*model, there);
    if (HasFailure()) {
      ADD_FAILURE() << "seed " << seed;
      return;
    }
  }
}

TEST_F(Fixture, ResolvedNamesBecomeEndpoints) {
  auto u = put(ingress("a", "a.example") +
               "---\napiVersion: v1\nkind: Service\nmetadata: {name: app}\nspec: {type: ExternalName, externalName: "
               "Pods.example., ports: [{port: 80}]}\n");
  ASSERT_EQ(store.external_names().size(), 1U);
  EXPECT_TRUE(store.external_names().contains("pods.example"));
  store.resolved("pods.example", {"192.0.2.1", "2001:db8::1"}, "");
  u = {};
  u = commit();
  EXPECT_EQ(u.change.clusters, std::vector<std::string>{"default/app:80"});
  EXPECT_EQ(u.model->clusters.at("default/app:80")->endpoints.size(), 2U);
  EXPECT_EQ(u.model->clusters.at("default/app:80")->endpoints[0].port, 80);
  store.resolved("unwanted.example", {"192.0.2.9"}, "");
  EXPECT_FALSE(store.dirty());
  u = {};
  remove(ingress("a", "a.example"));
  EXPECT_TRUE(store.external_names().empty());
}

// As ingress-nginx connects to an outside host: at a numeric targetPort, else at the port; and at any number that the
// Service says nothing of.
TEST_F(Fixture, AnOutsideHostListensAtTheTargetPort) {
  const auto port_for = [&](const std::string& ports, const std::string& wanted) {
    auto text = ingress("a", "a.example");
    text.replace(text.find("{number: 80}"), 12, wanted);
    put("---\napiVersion: v1\nkind: Service\nmetadata: {name: app}\nspec: {type: ExternalName, externalName: "
        "pods.example, ports: [" +
        ports + "]}\n" + text);
    store.resolved("pods.example", {"192.0.2.1"}, "");
    const auto u = commit();
    return u.model->clusters.begin()->second->endpoints.at(0).port;
  };
  EXPECT_EQ(port_for("{name: w, port: 80, targetPort: 8443}", "{number: 80}"), 8443);
  EXPECT_EQ(port_for("{name: w, port: 80, targetPort: 8444}", "{name: w}"), 8444);
  EXPECT_EQ(port_for("{name: w, port: 81, targetPort: named}", "{name: w}"), 81);
  EXPECT_EQ(port_for("{name: w, port: 82}", "{name: w}"), 82);
  EXPECT_EQ(port_for("", "{number: 8446}"), 8446);
}

TEST_F(Fixture, OfAThousandAddressesTheFirstAreUsedAndTheOthersReported) {
  put(ingress("a", "a.example") +
      "---\napiVersion: v1\nkind: Service\nmetadata: {name: app}\nspec: {type: ExternalName, externalName: "
      "pods.example, ports: [{port: 80}]}\n");
  std::vector<std::string> addresses;
  for (int i = 0; i < 1000; ++i) addresses.push_back("10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250));
  store.resolved("pods.example", addresses, "");
  const auto u = commit();
  EXPECT_EQ(u.model->clusters.at("default/app:80")->endpoints.size(), 64U);
  ASSERT_EQ(u.model->report.entries.size(), 1U);
  EXPECT_EQ(u.model->report.entries[0].problem.reason, "TooMany");
  EXPECT_EQ(u.model->report.entries[0].problem.consequence, "of its 1000 the first in order are used");
}

// Each part of what is wrong is told, but of one object no more than a hundred.
TEST_F(Fixture, ProblemsOfOneObjectAreCountedBeyondTheFirst) {
  std::string rules;
  for (int i = 0; i < 5000; ++i) rules += "{host: _" + std::to_string(i) + "},";
  const auto u =
      put("---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: a}\nspec: {ingressClassName: nginx, "
          "rules: [" +
          rules + "{host: fine.example}]}\n");
  ASSERT_EQ(u.model->report.entries.size(), model::Entries::kMost + 1);
  EXPECT_TRUE(std::any_of(u.model->report.entries.begin(), u.model->report.entries.end(), [](auto& e) {
    return e.problem.consequence == "and 4900 more, which are not listed" &&
           e.problem.severity == model::Severity::error;
  }));
}

// An Ingress with many hosts and many Secrets names neither each rule for each host nor each Secret for each.
TEST_F(Fixture, ManyHostsAndSecretsOfOneIngressAreNotMultiplied) {
  std::string rules, tls;
  for (int i = 0; i < 2000; ++i) {
    rules += "{host: h" + std::to_string(i) + ".example},";
    tls += "{secretName: s" + std::to_string(i) + "},";
  }
  const auto u =
      put("---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: a}\nspec: {ingressClassName: nginx, "
          "rules: [" +
          rules + "{host: fine.example}], tls: [" + tls + "{hosts: [fine.example], secretName: its}]}\n");
  EXPECT_EQ(u.model->hosts.size(), 2001U);
  const auto secrets = [&](const char* host) { return u.model->hosts.at(host)->certificates.at(0).secrets; };
  EXPECT_EQ(secrets("h7.example").size(), 10U);
  EXPECT_EQ(secrets("fine.example"), std::vector<std::string>{"default/its"});
}

TEST_F(Fixture, ManySecretsForFewHostsAreAllLookedAt) {
  std::string rules, tls;
  for (int i = 0; i < 100; ++i) {
    rules += "{host: h" + std::to_string(i) + ".example},";
    tls += "{hosts: ['*.z" + std::to_string(i) + ".example'], secretName: s" + std::to_string(i) + "},";
  }
  const auto u =
      put("---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: a}\nspec: {ingressClassName: nginx, "
          "rules: [" +
          rules + "], tls: [" + tls + "]}\n");
  EXPECT_EQ(u.model->hosts.at("h7.example")->certificates.at(0).secrets.size(), 100U);
  EXPECT_TRUE(std::none_of(u.model->report.entries.begin(), u.model->report.entries.end(),
                           [](auto& e) { return e.problem.reason == "TooMany"; }));
}

// Where nobody else can be meant, what is never sent of several is said (SaysWhichPairsOfAHostAreNeverSent).
TEST_F(Fixture, SectionsForNoHostAreForTheOneHostThatThereIs) {
  const auto named = [&](const std::string& rules, const std::string& tls, const std::string& annotations = "") {
    const auto u =
        put("---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: a, annotations: {" + annotations +
            "}}\nspec: {ingressClassName: nginx, rules: [" + rules + "], tls: [" + tls + "]}\n");
    return u.model->hosts.at("h.example")->certificates.at(0).named;
  };
  const std::string two = "{secretName: s}, {secretName: t}";
  EXPECT_TRUE(named("{host: h.example}", two));
  EXPECT_FALSE(named("{host: h.example}, {host: i.example}", two));
  EXPECT_FALSE(named("{host: h.example}", two, "nginx.ingress.kubernetes.io/server-alias: a.example"));
  EXPECT_FALSE(named("{host: h.example}", "{secretName: s}, {hosts: [i.example], secretName: t}"));
}

TEST_F(Fixture, ConflictsMoveOnWhenTheOwnerGoes) {
  auto u = put(ingress("a", "h.example", "one") + ingress("b", "h.example", "two"));
  EXPECT_EQ(u.model->hosts.at("h.example")->routes[0].service, "one");
  EXPECT_EQ(std::count_if(u.model->report.entries.begin(), u.model->report.entries.end(),
                          [](auto& e) { return e.problem.reason == "PathConflict"; }),
            1);
  u = {};
  u = remove(ingress("a", "h.example", "one"));
  EXPECT_EQ(u.model->hosts.at("h.example")->routes[0].service, "two");
  EXPECT_EQ(std::count_if(u.model->report.entries.begin(), u.model->report.entries.end(),
                          [](auto& e) { return e.problem.reason == "PathConflict"; }),
            0);
}

}  // namespace
}  // namespace sluice::control
