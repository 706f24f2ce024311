// How long a client is waited for, from its connection to its last byte: docs/timeouts.md, by a clock that the test
// moves.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "../net/tls/support.h"
#include "bare_worker.h"
#include "data/server/listener.h"
#include "net/io/socket.h"
#include "one_route.h"

namespace sluice::data {
namespace {

using namespace std::chrono_literals;

// A client that was accepted, of a worker whose pod is nowhere.
struct Accepted : BareWorker {
  int client = -1;
  model::Route spec;
  model::RouteSettings settings;

  explicit Accepted(ListenerSettings listener = {}, const model::Options& options = {}) {
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    client = fds[1];
    auto cluster = std::make_shared<model::Cluster>();
    cluster->name = "default/svc:80";
    cluster->endpoints.push_back({"192.0.2.1", 8080, true, false, false, ""});
    spec.path = spec.location = "/";
    auto table = std::make_shared<OneRoute>();
    table->route.spec = &spec;
    table->route.settings = &settings;
    table->route.cluster = 0;
    table->route.forwards = true;
    auto snapshot = bare_snapshot(options);
    snapshot->routes = table;
    Publication publication;
    publication.snapshot = snapshot;
    publication.clusters.push_back({0, cluster, nullptr});
    worker.apply(publication, listener.tls ? net::tls::test::server_context() : nullptr);
    worker.accepted(fds[0], *net::make_address("192.0.2.9", 1234), listener, 443);
    turn();
  }
  ~Accepted() {
    close(client);
    turn();
    EXPECT_EQ(stats.downstream_connections.get(), 0U);
  }
  void turn() {
    for (int i = 0; i < 4; ++i) worker.loop.turn(0ms);
  }
  void pass(Duration time) {
    clock.advance(time);
    turn();
  }
  void say(std::string_view text) {
    ASSERT_EQ(send(client, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
    turn();
  }
  std::string heard() {
    char bytes[4096];
    const auto n = recv(client, bytes, sizeof bytes, 0);
    return {bytes, n > 0 ? static_cast<std::size_t>(n) : 0};
  }
  bool is_open() const { return stats.downstream_connections.get() == 1; }
};

TEST(ClientTimeouts, WhoSaysNothingIsClosedWithoutAWord) {
  Accepted a;
  a.pass(59s);
  EXPECT_TRUE(a.is_open());
  a.pass(2s);
  EXPECT_FALSE(a.is_open());
  EXPECT_EQ(a.heard(), "");
}

TEST(ClientTimeouts, AHeadHasItsTimeHoweverOftenALittleOfItComes) {
  Accepted a;
  a.say("GET / HTTP/1.1\r\n");
  for (int i = 0; i < 5; ++i) {
    a.pass(11s);
    a.say("X-A: b\r\n");
    ASSERT_TRUE(a.is_open()) << i;
  }
  a.pass(6s);
  EXPECT_TRUE(a.heard().starts_with("HTTP/1.1 408 "));
  EXPECT_EQ(a.stats.timeouts_header.get(), 1U);
}

TEST(ClientTimeouts, ABodyMayPause) {
  model::Options options;
  options.client_min_rate = 0;
  Accepted a({}, options);
  a.say("POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 3; ++i) {
    a.pass(59s);
    a.say("1\r\nx\r\n");
    ASSERT_TRUE(a.is_open()) << i;
  }
  EXPECT_EQ(a.heard(), "");
  a.pass(61s);
  EXPECT_TRUE(a.heard().starts_with("HTTP/1.1 408 "));
  EXPECT_EQ(a.stats.timeouts_body.get(), 1U);
  a.pass(6s);  // for a client that still sends
}

TEST(ClientTimeouts, BetweenRequestsAConnectionMayBeIdleForKeepAlive) {
  Accepted a;
  a.say("GET /nowhere HTTP/1.1\r\nHost: a.example\r\n\r\n");
  EXPECT_TRUE(a.heard().starts_with("HTTP/1.1 404 "));
  a.pass(74s);
  EXPECT_TRUE(a.is_open());
  a.pass(2s);
  EXPECT_FALSE(a.is_open());
  EXPECT_EQ(a.stats.timeouts_idle.get(), 1U);
}

TEST(ClientTimeouts, OfHttp2Too) {
  model::Options options;
  options.http2_prior_knowledge = true;
  Accepted a({}, options);
  a.say(std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") + std::string("\0\0\0\4\0\0\0\0\0", 9));
  const std::string goaway("\0\0\x8\7", 4);  // the head of the frame, without what varies
  a.pass(59s);
  EXPECT_FALSE(a.heard().contains(goaway));
  a.pass(2s);
  EXPECT_TRUE(a.heard().contains(goaway)) << "the time of a first head";
  a.pass(6s);
  EXPECT_FALSE(a.is_open()) << "it was given time to go";
}

TEST(ClientTimeouts, AHandshakeHasTenSeconds) {
  Accepted a({.tls = true});
  a.pass(9s);
  EXPECT_TRUE(a.is_open());
  a.pass(2s);
  EXPECT_FALSE(a.is_open());
  EXPECT_EQ(a.stats.tls_handshake_failures.get(), 1U);
}

TEST(ClientTimeouts, APROXYHeaderHasFiveSeconds) {
  Accepted a({.proxy_protocol = true});
  a.say("PROXY TCP4 192.0.2.1");
  a.pass(4s);
  EXPECT_TRUE(a.is_open());
  a.pass(2s);
  EXPECT_FALSE(a.is_open());
}

}  // namespace
}  // namespace sluice::data
