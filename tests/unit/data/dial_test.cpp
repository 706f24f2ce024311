// The last look at where a connection leads.
#include "data/upstream/dial.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "bare_context.h"
#include "base/clock.h"

namespace sluice::data {
namespace {

TEST(Dial, NoConnectionIsMadeToAListenerOfOurs) {
  const int listener = net::listen_on(*net::parse_listen("127.0.0.1:0"), 8, net::Binding::shared).value();
  const int other = net::listen_on(*net::parse_listen("127.0.0.1:0"), 8, net::Binding::shared).value();
  const auto ours = net::local_address(listener).port(), theirs = net::local_address(other).port();

  BareContext bare;
  WorkerContext& worker = bare.worker;
  const auto serve = [&](std::shared_ptr<const model::OwnListeners> own) {
    auto snapshot = std::make_shared<Snapshot>();
    snapshot->options = std::make_shared<const model::Options>();
    snapshot->own = std::move(own);
    Publication publication;
    publication.snapshot = std::move(snapshot);
    worker.apply(publication);
  };
  const auto made = [&](const char* address, std::uint16_t port, bool question = false) {
    EndpointRuntime endpoint;
    endpoint.question = question;
    endpoint.address = net::make_address(address, port).value();
    const auto fd = open_socket(worker, endpoint);
    if (fd) close(*fd);
    return fd ? Error{} : fd.error();
  };

  serve(nullptr);  // nothing is known
  EXPECT_EQ(made("127.0.0.1", ours).fault, Fault::none);
  serve(std::make_shared<const model::OwnListeners>(
      model::OwnListeners{{model::read_listener("http", "127.0.0.1:" + std::to_string(ours))}, {}, {}, {}, {}, {}}));
  for (const char* address : {"127.0.0.1", "::ffff:127.0.0.1", "0.0.0.0", "::"}) {
    const Error refused = made(address, ours);
    EXPECT_EQ(refused.status, 503) << address;
    EXPECT_EQ(refused.retry, Retry::yes) << address;
    EXPECT_NE(made(address, theirs).status, 503) << address;
  }
  EXPECT_EQ(bare.stats.own_refused.get(), 4U);
  EXPECT_EQ(made("127.0.0.1", ours, true).fault, Fault::none);  // a question may come back
  serve(std::make_shared<const model::OwnListeners>(
      model::OwnListeners{{model::read_listener("admin", "127.0.0.1:" + std::to_string(ours))}, {}, {}, {}, {}, {}}));
  EXPECT_EQ(made("127.0.0.1", ours, true).status, 503);
  EXPECT_EQ(made("127.0.0.1", theirs).fault, Fault::none);
  close(listener);
  close(other);
}

// Loopback and addresses of this machine are others' too where ours listens on one address.
TEST(Dial, DatagramsReachPodsOfThisMachineThatAreNotUs) {
  BareContext bare;
  const auto serve = [&](const char* bound) {
    auto own = std::make_shared<model::OwnListeners>();
    own->datagrams = {model::read_listener("udp", bound)};
    auto snapshot = std::make_shared<Snapshot>();
    snapshot->options = std::make_shared<const model::Options>();
    snapshot->own = own;
    Publication publication;
    publication.snapshot = std::move(snapshot);
    bare.worker.apply(publication);
  };
  const auto is_us = [&](const char* address, std::uint16_t port = 53) {
    EndpointRuntime endpoint;
    endpoint.address = net::make_address(address, port).value();
    return leads_to_us(bare.worker, endpoint, model::Transport::udp);
  };
  serve("10.0.0.5:53");
  EXPECT_TRUE(is_us("10.0.0.5"));
  EXPECT_FALSE(is_us("127.0.0.1"));
  EXPECT_FALSE(is_us("127.0.0.20"));
  serve("127.0.0.1:53");
  EXPECT_TRUE(is_us("127.0.0.1"));
  EXPECT_TRUE(is_us("0.0.0.0"));
  EXPECT_FALSE(is_us("127.0.0.20"));
  serve("[::]:53");
  EXPECT_TRUE(is_us("127.0.0.20"));
  EXPECT_FALSE(is_us("127.0.0.20", 54));
}

}  // namespace
}  // namespace sluice::data
