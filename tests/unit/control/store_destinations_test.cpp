// What the Store makes of objects and names that lead where nothing may be sent.
#include <gtest/gtest.h>

#include "control/destination.h"
#include "control/kube/store.h"
#include "control/source/decode.h"
#include "scratch.h"

namespace sluice::control {
namespace {

using testing::ingress;
using testing::service;
using testing::slice;

struct StoreDestinations : ::testing::Test {
  explicit StoreDestinations(Settings settings = {}) : store(std::move(settings)) {}
  Store store;

  std::shared_ptr<const model::Model> put(const std::string& yaml) {
    Decoded out;
    for (auto& doc : parse_yaml(yaml, 1)) decode(*doc, "test.yaml", out);
    EXPECT_TRUE(out.entries.empty());
    for (auto& o : out.objects) store.upsert(o);
    return store.commit().model;
  }
  std::shared_ptr<const model::Model> answer(const std::string& name, std::vector<std::string> addresses) {
    store.resolved(name, std::move(addresses), "");
    return store.commit().model;
  }
  static std::string external(const std::string& name, int port = 80) {
    return "---\napiVersion: v1\nkind: Service\nmetadata: {name: app}\nspec: {type: ExternalName, externalName: '" +
           name + "', ports: [{port: " + std::to_string(port) + "}]}\n";
  }
  static std::string addresses(const model::Model& m) {
    std::string out;
    for (const auto& e : m.clusters.at("default/app:80")->endpoints)
      out += (out.empty() ? "" : " ") + e.address + ":" + std::to_string(e.port);
    return out;
  }
  static const model::Cluster& app(const model::Model& m) { return *m.clusters.at("default/app:80"); }
  static std::vector<std::string> lines(const model::Model& m) {
    std::vector<std::string> out;
    for (const auto& e : m.report.entries) out.push_back(model::Report::line(e));
    return out;
  }
};

// The listeners of a process, as serve() knows them.
Settings listening(std::vector<std::string> endpoints = {}) {
  Settings s;
  s.listeners = {model::read_listener("http", "0.0.0.0:80"), model::read_listener("admin", "127.0.0.1:10254")};
  s.endpoints = std::move(endpoints);
  return s;
}
struct Listening : StoreDestinations {
  Listening() : StoreDestinations(listening({"default/app:80=127.0.0.1:10254", "default/app:80=10.0.0.5:80"})) {}
};
struct Directory : StoreDestinations {
  static Settings settings() {
    Settings s = listening();
    s.manifests = "anywhere";
    return s;
  }
  Directory() : StoreDestinations(settings()) {}
};

TEST_F(StoreDestinations, LocalhostIsNotEvenAskedFor) {
  for (const char* name : {"localhost", "LOCALHOST", "localhost.", "LocalHost..", "x.localhost", "a.B.LOCALHOST."}) {
    const auto m = put(ingress("a", "a.example") + external(name));
    EXPECT_TRUE(store.external_names().empty()) << name;
    EXPECT_EQ(addresses(*m), "") << name;
    EXPECT_EQ(app(*m).refused, 1U) << name;
    EXPECT_TRUE(app(*m).empty_because.view().ends_with(" is a loopback address")) << app(*m).empty_because;
    ASSERT_EQ(lines(*m).size(), 1U) << name;
    EXPECT_NE(lines(*m)[0].find("Service default/app: error DestinationRefused field=spec.externalName value="),
              std::string::npos)
        << lines(*m)[0];
  }
}

TEST_F(StoreDestinations, OtherSpellingsOfAnAddressAreNoNames) {
  for (const char* name : {"127.1", "2130706433", "0x7f000001", "127.0.0.1", "::1", "127.0.0.1."}) {
    const auto m = put(ingress("a", "a.example") + external(name));
    EXPECT_TRUE(store.external_names().empty()) << name;
    ASSERT_EQ(lines(*m).size(), 1U) << name;
    EXPECT_NE(lines(*m)[0].find("ExternalNameIsAddress"), std::string::npos) << lines(*m)[0];
  }
}

// A name that leads out today may lead to loopback tomorrow: each answer is judged, address by address.
TEST_F(StoreDestinations, EachAnswerIsJudged) {
  put(ingress("a", "a.example") + external("db.example"));
  auto m = answer("db.example", {"192.0.2.1"});
  EXPECT_EQ(addresses(*m), "192.0.2.1:80");
  EXPECT_TRUE(app(*m).outside);
  EXPECT_TRUE(m->report.entries.empty());

  m = answer("db.example", {"127.0.0.1", "169.254.169.254", "192.0.2.1", "::1"});
  EXPECT_EQ(addresses(*m), "192.0.2.1:80");
  EXPECT_EQ(app(*m).refused, 3U);
  ASSERT_EQ(lines(*m).size(), 2U);
  EXPECT_EQ(lines(*m)[0],
            "test.yaml:18 Service default/app: error DestinationRefused field=spec.externalName value=\"db.example at "
            "127.0.0.1:80 and 1 more\" expected a destination other than a loopback address, or one that "
            "allow-destinations lists; its other addresses are used");
  EXPECT_NE(lines(*m)[1].find("169.254.169.254:80"), std::string::npos);

  m = answer("db.example", {"::ffff:127.0.0.1", "fd00:ec2::254"});
  EXPECT_EQ(addresses(*m), "");
  EXPECT_EQ(
      app(*m).empty_because,
      "db.example leads to [::ffff:127.0.0.1]:80, a loopback address; [fd00:ec2::254]:80, an address of a cloud's "
      "metadata");
  EXPECT_NE(lines(*m)[0].find("requests for it answer 503"), std::string::npos) << lines(*m)[0];

  m = answer("db.example", {"192.0.2.7"});
  EXPECT_EQ(addresses(*m), "192.0.2.7:80");
  EXPECT_TRUE(m->report.entries.empty());
}

TEST_F(StoreDestinations, BadAddressesDoNotCrowdOutTheGood) {
  put(ingress("a", "a.example") + external("db.example"));
  std::vector<std::string> many;
  for (int i = 1; i <= 100; ++i) many.push_back("127.0.0." + std::to_string(i));
  many.push_back("192.0.2.1");
  EXPECT_EQ(addresses(*answer("db.example", many)), "192.0.2.1:80");
}

TEST_F(StoreDestinations, WhatIsListedIsOpened) {
  put(ingress("a", "a.example") + external("localhost"));
  const auto options = [](const std::string& value) {
    return "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: ingress-nginx-controller, namespace: "
           "ingress-nginx}\n"
           "data: {allow-destinations: '" +
           value + "'}\n";
  };
  put(options("127.0.0.0/8"));
  EXPECT_TRUE(store.external_names().contains("localhost"));
  EXPECT_EQ(addresses(*answer("localhost", {"127.0.0.1", "::1"})), "127.0.0.1:80");
  EXPECT_EQ(addresses(*put(options("localhost"))), "127.0.0.1:80 ::1:80");
  EXPECT_EQ(addresses(*put(options("::1"))), "::1:80");
  EXPECT_EQ(addresses(*put(options("10.0.0.0/8"))), "");
  EXPECT_TRUE(store.external_names().empty());
}

// The API server refuses most of these; what it lets through, or another server does, is not followed either.
TEST_F(StoreDestinations, SlicesOfAClusterLeadToNoLoopback) {
  auto m = put(ingress("a", "a.example", "app") + service("app") + slice("app", "127.0.0.1"));
  EXPECT_EQ(addresses(*m), "");
  EXPECT_EQ(app(*m).empty_because, "Service default/app leads to 127.0.0.1:8080, a loopback address");
  ASSERT_EQ(lines(*m).size(), 1U);
  EXPECT_NE(lines(*m)[0].find("EndpointSlice default/app-1: error DestinationRefused field=endpoints.addresses"),
            std::string::npos)
      << lines(*m)[0];
  EXPECT_FALSE(app(*m).outside);
  m = put(slice("app", "10.0.0.1"));
  EXPECT_EQ(addresses(*m), "10.0.0.1:8080");
  EXPECT_TRUE(m->report.entries.empty());
}

TEST_F(Directory, SlicesOfADirectoryMayLeadToLoopbackButNotToUs) {
  auto m = put(ingress("a", "a.example", "app") + service("app") + slice("app", "127.0.0.1"));
  EXPECT_EQ(addresses(*m), "127.0.0.1:8080");
  for (const char* bad : {"169.254.169.254", "0.0.0.0", "255.255.255.255", "100.100.100.200"})
    EXPECT_EQ(addresses(*put(slice("app", bad))), "") << bad;
  auto ours = slice("app", "127.0.0.1");
  for (std::size_t at; (at = ours.find("8080")) != std::string::npos;) ours.replace(at, 4, "10254");
  m = put(ours);
  EXPECT_EQ(addresses(*m), "");
  EXPECT_EQ(app(*m).empty_because, "Service default/app leads to 127.0.0.1:10254, where this process listens itself");
}

// --endpoint is the operator's own word, but not for our listeners. That an address is ours may be known later.
TEST_F(Listening, AnAddressThatBecomesOursIsGivenUp) {
  EXPECT_TRUE(store.listens_everywhere());
  auto m = put(ingress("a", "a.example", "app") + service("app"));
  EXPECT_EQ(addresses(*m), "10.0.0.5:80");
  ASSERT_EQ(lines(*m).size(), 1U);
  EXPECT_EQ(lines(*m)[0],
            "CommandLine --endpoint: error DestinationRefused field=--endpoint value=\"127.0.0.1:10254\" expected a "
            "destination other than where this process listens itself; it is not used");
  ASSERT_TRUE(m->own);
  EXPECT_TRUE(m->own->addresses.empty());

  store.reached_by({*model::read_ip("10.0.0.5")});
  EXPECT_TRUE(store.dirty());
  auto u = store.commit();
  EXPECT_TRUE(u.change.own);
  EXPECT_EQ(u.change.clusters, std::vector<std::string>{"default/app:80"});
  EXPECT_EQ(addresses(*u.model), "");
  EXPECT_EQ(u.model->own->addresses.size(), 1U);

  store.reached_by({*model::read_ip("10.0.0.5")});
  EXPECT_FALSE(store.dirty());
  store.reached_by({*model::read_ip("10.0.0.6")});
  EXPECT_EQ(addresses(*store.commit().model), "10.0.0.5:80");
}

TEST_F(Listening, ANameThatLeadsToUsLeadsNowhere) {
  put(ingress("a", "b.example") + external("us.example"));
  store.reached_by({*model::read_ip("192.0.2.5"), *model::read_ip("2001:db8::5")});
  const auto m = answer("us.example", {"192.0.2.5", "192.0.2.6", "2001:db8::5", "64:ff9b::192.0.2.5"});
  EXPECT_EQ(addresses(*m), "10.0.0.5:80 192.0.2.6:80");
  EXPECT_EQ(app(*m).refused, 4U);
}

// Pods that share a Service of our namespace with our pod are replicas: their admin pages are as little to be reached.
struct Replicated : StoreDestinations {
  static Settings settings() {
    Settings s;
    s.listeners = {model::read_listener("admin", "[::]:10254"), model::read_listener("http", "[::]:8080")};
    s.status.pod = "sluice/one";
    return s;
  }
  Replicated() : StoreDestinations(settings()) {}
  static std::string pods(const std::string& ns, const std::vector<std::pair<std::string, std::string>>& named) {
    std::string out = "---\napiVersion: v1\nkind: Service\nmetadata: {name: admin, namespace: " + ns +
                      "}\nspec: {clusterIP: 10.96.0.9, ports: [{port: 10254}]}\n"
                      "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\naddressType: IPv4\nmetadata:\n  "
                      "name: admin-1\n  namespace: " +
                      ns + "\n  labels: {kubernetes.io/service-name: admin}\nports: [{port: 10254}]\nendpoints:\n";
    for (const auto& [name, address] : named)
      out += "- {addresses: [" + address + "], targetRef: {kind: Pod, name: " + name + ", namespace: " + ns + "}}\n";
    return out;
  }
};

TEST_F(Replicated, OtherReplicasAreNoDestinationEither) {
  auto theirs = ingress("a", "a.example");
  theirs.replace(theirs.find("number: 80"), 10, "number: 10254");
  put(theirs + external("x.example", 10254));
  const auto reached = [&](const std::string& address) {
    const auto m = answer("x.example", {address});
    return m->clusters.at("default/app:10254")->endpoints.size() == 1;
  };
  EXPECT_TRUE(reached("10.1.0.2")) << "nothing is known of replicas yet";
  put(pods("sluice", {{"one", "10.1.0.1"}, {"two", "10.1.0.2"}}));
  EXPECT_TRUE(reached("10.1.0.3"));
  EXPECT_FALSE(reached("10.1.0.2"));
  EXPECT_FALSE(reached("10.1.0.1"));
  EXPECT_FALSE(reached("10.96.0.9")) << "the address of the Service leads to them";
  EXPECT_TRUE(reached("10.96.0.10")) << "of another Service";
  // They come and go; the same name is judged anew.
  EXPECT_FALSE(reached("10.1.0.2"));
  EXPECT_EQ(put(pods("sluice", {{"one", "10.1.0.1"}}))->clusters.at("default/app:10254")->endpoints.size(), 1U);
  // What another namespace says of itself makes nobody a replica, and neither do Services without our pod.
  put(pods("tenant", {{"one", "10.1.0.1"}, {"victim", "10.1.0.7"}}));
  EXPECT_TRUE(reached("10.1.0.7"));
  put(pods("sluice", {{"other", "10.1.0.8"}}));
  EXPECT_TRUE(reached("10.1.0.8"));
}

// The ports of a Service are not those of its pods.
TEST_F(Replicated, AServiceLeadsToUsByItsOwnPorts) {
  auto theirs = ingress("a", "a.example");
  put(theirs + external("x.example", 80) +
      "---\napiVersion: v1\nkind: Service\nmetadata: {name: sluice, namespace: sluice}\nspec: {clusterIP: 10.96.0.9, "
      "clusterIPs: [10.96.0.9, 'fd00::9'], ports: [{name: http, port: 80, targetPort: http}, {name: other, port: 81, "
      "targetPort: 9999}]}\n"
      "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\naddressType: IPv4\nmetadata: {name: sluice-1, "
      "namespace: sluice, labels: {kubernetes.io/service-name: sluice}}\nports: [{name: http, port: 8080}, {name: "
      "other, "
      "port: 9999}]\nendpoints:\n- {addresses: [10.1.0.1], targetRef: {kind: Pod, name: one, namespace: sluice}}\n");
  const auto reached = [&](const std::string& address) {
    return answer("x.example", {address})->clusters.at("default/app:80")->endpoints.size() == 1;
  };
  EXPECT_FALSE(reached("10.96.0.9"));
  EXPECT_FALSE(reached("fd00::9")) << "its other family";
  EXPECT_TRUE(reached("10.96.0.10"));
  EXPECT_TRUE(reached("10.1.0.1")) << "nothing of ours listens on its port 80";
}

}  // namespace
}  // namespace sluice::control
