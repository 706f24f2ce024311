#include "data/snapshot/streams.h"

#include <gtest/gtest.h>

#include "data/compiler/compiler.h"
#include "model/model.h"

namespace sluice::data {
namespace {

using model::Transport;

model::StreamListener listener(Transport transport, std::uint16_t port, std::string cluster) {
  model::StreamListener l;
  l.transport = transport;
  l.port = port;
  l.cluster = std::move(cluster);
  return l;
}

struct CompiledStreams : ::testing::Test {
  model::Model model;
  Compiler compiler;
  Publication last;

  void cluster(const std::string& name, const char* address) {
    auto c = std::make_shared<model::Cluster>();
    c->name = name;
    c->endpoints = {{address, 80, true, false, false, ""}};
    model.clusters[name] = c;
  }
  const StreamTable& publish(model::StreamListeners streams, std::vector<std::string> clusters = {}) {
    model::Change change;
    change.everything = last.snapshot == nullptr;
    change.streams = streams != *model.streams;
    change.clusters = std::move(clusters);
    model.streams = std::make_shared<const model::StreamListeners>(std::move(streams));
    last = compiler.compile(model, change);
    return *last.snapshot->streams;
  }
};

TEST_F(CompiledStreams, AreFoundByTransportAndPort) {
  cluster("a", "10.0.0.1");
  cluster("b", "10.0.0.2");
  const auto& table = publish(
      {listener(Transport::tcp, 53, "a"), listener(Transport::tcp, 9000, "gone"), listener(Transport::udp, 53, "b")});
  ASSERT_NE(table.find(Transport::tcp, 53), nullptr);
  ASSERT_NE(table.find(Transport::udp, 53), nullptr);
  EXPECT_NE(table.find(Transport::tcp, 53)->cluster, table.find(Transport::udp, 53)->cluster);
  EXPECT_EQ(table.find(Transport::tcp, 9000)->cluster, kNoCluster);
  EXPECT_EQ(table.find(Transport::udp, 9000), nullptr);
  EXPECT_EQ(table.find(Transport::tcp, 54), nullptr);
}

TEST_F(CompiledStreams, KeepTheirFiguresWhileTheyLeadToTheSameCluster) {
  cluster("a", "10.0.0.1");
  cluster("b", "10.0.0.2");
  publish({listener(Transport::tcp, 1, "a"), listener(Transport::tcp, 2, "a")});
  const auto table = last.snapshot->streams;
  const auto figures = table->find(Transport::tcp, 1)->figures;
  auto proxied = listener(Transport::tcp, 1, "a");
  proxied.proxy_in = true;
  publish({proxied, listener(Transport::tcp, 2, "b")});
  EXPECT_EQ(last.snapshot->streams->find(Transport::tcp, 1)->figures, figures);
  EXPECT_NE(last.snapshot->streams->find(Transport::tcp, 2)->figures, table->find(Transport::tcp, 2)->figures);
}

// A connection holds on to what it found, and must not keep a whole table of each version alive.
TEST_F(CompiledStreams, KeepWhatDidNotChange) {
  cluster("a", "10.0.0.1");
  publish({listener(Transport::tcp, 1, "a"), listener(Transport::tcp, 2, "a")});
  const auto table = last.snapshot->streams;
  publish({listener(Transport::tcp, 1, "a"), listener(Transport::tcp, 3, "a")});
  EXPECT_NE(last.snapshot->streams, table);
  EXPECT_EQ(last.snapshot->streams->find(Transport::tcp, 1)->spec, table->find(Transport::tcp, 1)->spec);
  cluster("b", "10.0.0.2");  // concerns none of them
  publish({listener(Transport::tcp, 1, "a"), listener(Transport::tcp, 3, "a")}, {"b"});
  const auto same = last.snapshot->streams;
  model.clusters.erase("b");
  publish({listener(Transport::tcp, 1, "a"), listener(Transport::tcp, 3, "a")}, {"b"});
  EXPECT_EQ(last.snapshot->streams, same);
}

TEST_F(CompiledStreams, AreMadeAnewOnlyWhereSomethingDiffers) {
  cluster("a", "10.0.0.1");
  publish({listener(Transport::tcp, 1, "a")});
  const auto table = last.snapshot->streams;
  cluster("a", "10.0.0.9");  // an endpoint: the number stays
  publish({listener(Transport::tcp, 1, "a")}, {"a"});
  EXPECT_EQ(last.snapshot->streams, table);
  model.clusters.erase("a");
  publish({listener(Transport::tcp, 1, "a")}, {"a"});
  EXPECT_EQ(last.snapshot->streams->find(Transport::tcp, 1)->cluster, kNoCluster);
  cluster("a", "10.0.0.9");
  publish({listener(Transport::tcp, 1, "a")}, {"a"});
  EXPECT_NE(last.snapshot->streams->find(Transport::tcp, 1)->cluster, kNoCluster);
}

}  // namespace
}  // namespace sluice::data
