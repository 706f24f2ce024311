// What the Store makes of ConfigMaps of ports.
#include <gtest/gtest.h>

#include "control/kube/store.h"
#include "control/kube/streams/translator.h"
#include "model/fingerprint.h"
#include "scratch.h"

namespace sluice::control {
namespace {

using testing::objects;

struct StoreStreams : ::testing::Test {
  static Settings settings() {
    Settings s;
    s.manifests = "/a/directory";
    s.listeners = {model::read_listener("http", "0.0.0.0:8080"), model::read_listener("admin", "127.0.0.1:10254")};
    return s;
  }
  Store store{settings()};
  Update put(const std::string& yaml) {
    for (auto& o : objects(yaml)) store.upsert(o);
    return store.commit();
  }
  Update remove(const std::string& yaml) {
    for (auto& o : objects(yaml)) store.erase(*o);
    return store.commit();
  }
  static std::string map(const std::string& data, const char* name = "tcp-services") {
    return std::string("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: ") + name +
           ", namespace: ingress-nginx}\ndata: {" + data + "}\n";
  }
  // A Service `db` with TCP port 5432 (raw) and UDP port 5432 (dns), and one pod of each.
  static std::string db(const std::string& ns = "default") {
    return "---\napiVersion: v1\nkind: Service\nmetadata: {name: db, namespace: " + ns +
           "}\nspec: {ports: [{name: raw, port: 5432, targetPort: 15432}, {name: dns, port: 5432, targetPort: 15353, "
           "protocol: UDP}]}\n"
           "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: db-1, namespace: " +
           ns +
           ", labels: {kubernetes.io/service-name: db}}\naddressType: IPv4\n"
           "ports: [{name: raw, port: 15432}, {name: dns, port: 15353, protocol: UDP}]\n"
           "endpoints: [{addresses: [10.0.0.1], conditions: {ready: true}}]\n";
  }
  static std::vector<std::string> lines(const Update& update) {
    std::vector<std::string> out;
    for (const auto& e : update.model->report.entries) out.push_back(model::Report::line(e));
    return out;
  }
};

TEST_F(StoreStreams, LeadToTheClusterOfTheirTransport) {
  const auto update = put(db() + map("9000: 'default/db:5432', 9001: 'default/db:raw::PROXY'") +
                          map("9000: 'default/db:5432', 53: 'default/db:dns'", "udp-services"));
  EXPECT_TRUE(lines(update).empty()) << lines(update).front();
  const auto& all = *update.model->streams;
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(all[0].port, 9000);
  EXPECT_EQ(all[0].cluster, "default/db:5432");
  EXPECT_EQ(all[0].upstream_name, "tcp-default-db-5432");
  EXPECT_TRUE(all[1].proxy_out);
  EXPECT_EQ(all[2].transport, model::Transport::udp);
  EXPECT_EQ(all[2].port, 53);
  EXPECT_EQ(all[3].cluster, "default/db:5432/udp");
  const auto port_of = [&](const std::string& cluster) {
    return update.model->clusters.at(cluster)->endpoints.at(0).port;
  };
  EXPECT_EQ(port_of("default/db:5432"), 15432);
  EXPECT_EQ(port_of("default/db:raw"), 15432);
  EXPECT_EQ(port_of("default/db:5432/udp"), 15353);
  EXPECT_EQ(port_of("default/db:dns/udp"), 15353);
}

TEST_F(StoreStreams, ChangeWithTheirConfigMapAlone) {
  put(db() + map("9000: 'default/db:5432'"));
  auto update = put("");
  EXPECT_FALSE(update.change.streams);
  update = put(map("9000: 'default/db:5432', 9001: 'default/db:5432'"));
  EXPECT_TRUE(update.change.streams);
  EXPECT_EQ(update.model->streams->size(), 2u);
  EXPECT_TRUE(update.change.hosts.empty());
  const auto before = update.model->streams;
  update = put(map("9001: 'default/db:5432', 9000: 'default/db:5432'"));
  EXPECT_FALSE(update.change.streams);
  EXPECT_EQ(update.model->streams, before);
  update = put(map("9000: 'default/other:1'"));
  EXPECT_EQ(update.model->streams->at(0).cluster, "default/other:1");
  EXPECT_FALSE(update.model->clusters.contains("default/db:5432"));
  update = remove(map(""));
  EXPECT_TRUE(update.change.streams);
  EXPECT_TRUE(update.model->streams->empty());
  EXPECT_TRUE(update.model->clusters.empty());
  EXPECT_TRUE(lines(update).empty());
}

TEST_F(StoreStreams, ClustersAreSharedWithHosts) {
  const std::string app =
      "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: app}\nspec:\n  ingressClassName: nginx\n"
      "  rules: [{host: a.example, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: db, port: "
      "{number: 5432}}}}]}}]\n";
  auto update = put(db() + app + map("9000: 'default/db:5432'"));
  EXPECT_EQ(update.model->clusters.size(), 1u);
  update = remove(app);
  EXPECT_EQ(update.model->clusters.size(), 1u);
  update = put(app);
  update = remove(map(""));
  EXPECT_EQ(update.model->clusters.size(), 1u);
  update = remove(app);
  EXPECT_TRUE(update.model->clusters.empty());
}

TEST_F(StoreStreams, WhatCannotBeIsRefusedAlone) {
  const auto update = put(db() + map("9000: 'default/db:5432', 8080: 'default/db:5432', 10254: 'default/db:5432', "
                                     "'x': 'default/db:5432', 1: 'db', '09000': 'default/db:5432'"));
  // Of two spellings of a port the first in the alphabet counts.
  ASSERT_EQ(update.model->streams->size(), 1u);
  const auto said = lines(update);
  ASSERT_EQ(said.size(), 5u);
  const auto has = [&](std::string_view text) {
    return std::ranges::any_of(said, [&](const auto& line) { return line.contains(text); });
  };
  EXPECT_TRUE(has("it is the http port"));
  EXPECT_TRUE(has("it is the admin port"));
  EXPECT_TRUE(has("a port from 1 to 65535"));
  EXPECT_TRUE(has("NAMESPACE/SERVICE:PORT"));
  EXPECT_TRUE(has("each port once"));
}

TEST_F(StoreStreams, WhoIsNotThereIsSaid) {
  auto update = put(map("9000: 'default/db:5432'") + map("53: 'default/db:dns'", "udp-services"));
  ASSERT_EQ(lines(update).size(), 2u);
  EXPECT_TRUE(lines(update)[0].contains("connections to port 9000 are closed: Service default/db does not exist"));
  EXPECT_TRUE(lines(update)[1].contains("datagrams to port 53 are dropped: Service default/db does not exist"));
  update = put(db());
  EXPECT_TRUE(lines(update).empty());
  EXPECT_FALSE(update.change.streams) << "the ports are the same";
}

TEST_F(StoreStreams, NothingLeadsToThem) {
  const auto slice = [](int port) {
    return "---\napiVersion: v1\nkind: Service\nmetadata: {name: us}\nspec: {ports: [{port: 80}]}\n"
           "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: us-1, labels: "
           "{kubernetes.io/service-name: us}}\naddressType: IPv4\nports: [{port: " +
           std::to_string(port) + "}]\nendpoints: [{addresses: [127.0.0.1]}]\n";
  };
  auto update = put(db() + slice(9000) + map("9000: 'default/us:80'"));
  EXPECT_TRUE(update.model->clusters.at("default/us:80")->endpoints.empty());
  EXPECT_TRUE(update.model->own->listens_on(9000));
  // Also those of others that were there before the port was.
  update = put(slice(9001) + map("9000: 'default/us:80'"));
  EXPECT_EQ(update.model->clusters.at("default/us:80")->endpoints.size(), 1u);
  update = put(map("9000: 'default/us:80', 9001: 'default/db:5432'"));
  EXPECT_TRUE(update.model->clusters.at("default/us:80")->endpoints.empty());
  update = put(map("9000: 'default/us:80'"));
  EXPECT_EQ(update.model->clusters.at("default/us:80")->endpoints.size(), 1u);
}

TEST_F(StoreStreams, NothingLeadsToThemByDatagramsEither) {
  const auto us = [](const char* protocol) {
    return std::string(
               "---\napiVersion: v1\nkind: Service\nmetadata: {name: us}\nspec: {ports: [{port: 80, protocol: ") +
           protocol +
           "}]}\n---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: us-1, labels: "
           "{kubernetes.io/service-name: us}}\naddressType: IPv4\nports: [{port: 5300, protocol: " +
           protocol + "}]\nendpoints: [{addresses: [127.0.0.1]}]\n";
  };
  auto update = put(us("UDP") + map("5300: 'default/us:80'", "udp-services"));
  EXPECT_TRUE(update.model->clusters.at("default/us:80/udp")->endpoints.empty());
  // The same number of TCP is another port.
  update = put(us("TCP") + map("9000: 'default/us:80'") + map("5300: 'default/db:dns'", "udp-services"));
  EXPECT_EQ(update.model->clusters.at("default/us:80")->endpoints.size(), 1u);
}

// The Service in front of us leads to the ports of ConfigMaps as well, by numbers of its own.
TEST_F(StoreStreams, OurOwnServiceLeadsToThem) {
  Settings s = settings();
  s.listeners = {model::read_listener("http", "[::]:8080")};
  s.status.pod = "sluice/one";
  Store ours(s);
  const auto take = [&](const std::string& yaml) {
    for (auto& o : objects(yaml)) ours.upsert(o);
    return ours.commit();
  };
  auto update = take(
      "---\napiVersion: v1\nkind: Service\nmetadata: {name: sluice, namespace: sluice}\nspec: {clusterIP: 10.96.0.9, "
      "clusterIPs: [10.96.0.9], ports: [{name: db, port: 5432, targetPort: 15432}, {name: dns, port: 53, targetPort: "
      "5353, protocol: UDP}]}\n---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\naddressType: "
      "IPv4\nmetadata: {name: sluice-1, namespace: sluice, labels: {kubernetes.io/service-name: sluice}}\nports: "
      "[{name: db, port: 15432}, {name: dns, port: 5353, protocol: UDP}]\nendpoints:\n- {addresses: [10.1.0.1], "
      "targetRef: {kind: Pod, name: one, namespace: sluice}}\n");
  const auto address = model::read_ip("10.96.0.9").value();
  EXPECT_FALSE(update.model->own->reached(address, 5432));
  update = take(map("15432: 'default/db:5432'") + map("5353: 'default/db:dns'", "udp-services"));
  EXPECT_TRUE(update.model->own->reached(address, 5432));
  EXPECT_FALSE(update.model->own->reached(address, 53));
  EXPECT_TRUE(update.model->own->reached_by_datagrams(address, 53));
  update = take(map("") + map("", "udp-services"));
  EXPECT_FALSE(update.model->own->reached(address, 5432));
  EXPECT_FALSE(update.model->own->reached_by_datagrams(address, 53));
}

TEST_F(StoreStreams, AClusterHasNoneUnlessAFlagNamesThem) {
  Settings s = settings();
  s.manifests.clear();
  Store quiet(s);
  for (auto& o : objects(db() + map("9000: 'default/db:5432'"))) quiet.upsert(o);
  EXPECT_TRUE(quiet.commit().model->streams->empty());
  EXPECT_FALSE(
      quiet.feedback().named.value_or(std::set<std::string>{}).contains("ConfigMap/ingress-nginx/tcp-services"));
  s.tcp_services = "ingress-nginx/tcp-services";
  Store named(s);
  auto update = named.commit();
  ASSERT_EQ(lines(update).size(), 1u);
  EXPECT_TRUE(lines(update)[0].contains("--tcp-services-configmap"));
  EXPECT_TRUE(named.feedback().named->contains("ConfigMap/ingress-nginx/tcp-services")) << "it is asked for by name";
  for (auto& o : objects(db() + map("9000: 'default/db:5432'"))) named.upsert(o);
  update = named.commit();
  EXPECT_EQ(update.model->streams->size(), 1u);
  EXPECT_TRUE(lines(update).empty());
}

TEST_F(StoreStreams, NoMoreThanThereMayBe) {
  std::string data;
  for (std::size_t i = 0; i < kMostStreams + 1; ++i) data += std::to_string(20000 + i) + ": 'default/db:5432', ";
  const auto update = put(db() + map(data));
  EXPECT_EQ(update.model->streams->size(), kMostStreams);
  ASSERT_EQ(lines(update).size(), 1u);
  EXPECT_TRUE(lines(update)[0].contains("at most 4096 ports"));
}

TEST_F(StoreStreams, AreAPartOfTheFingerprint) {
  model::Fingerprint print;
  const auto follow = [&](const Update& update) {
    print.follow(*update.model, update.change, [](const auto&) { return std::string(); });
    return print.value();
  };
  const auto one = follow(put(db() + map("9000: 'default/db:5432'")));
  const auto proxied = follow(put(map("9000: 'default/db:5432:PROXY'")));
  EXPECT_NE(one, proxied);
  EXPECT_EQ(follow(put(map("9000: 'default/db:5432'"))), one);
}

}  // namespace
}  // namespace sluice::control
