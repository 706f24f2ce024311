// Connections to pods that lie idle: which are kept, for how long, and who gets them.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "../bare_context.h"
#include "../nobody.h"
#include "data/upstream/h1_client.h"

namespace sluice::data {
namespace {

using namespace std::chrono_literals;

// A worker whose clock the test moves, and one pod.
struct Pod : BareContext {
  std::shared_ptr<EndpointRuntime> endpoint = std::make_shared<EndpointRuntime>();
  std::shared_ptr<const model::Options> options = std::make_shared<model::Options>();
  model::RouteSettings settings;
  int fd = -1;

  ~Pod() {
    worker.pool.close_everything();
    if (fd >= 0) close(fd);
  }
  // Turns of the loop, a tick of its deadlines apart.
  void pass(Duration time) {
    for (Duration gone{}; gone < time; gone += 100ms) {
      clock.advance(100ms);
      worker.loop.turn(0ms);
    }
  }
  // One exchange on a new connection, which the pod answers with `fields`.
  void answers(const std::string& fields) {
    int fds[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    if (fd >= 0) close(fd);
    fd = fds[1];
    const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + fields + "\r\n";
    ASSERT_EQ(write(fd, answer.data(), answer.size()), static_cast<ssize_t>(answer.size()));
    net::spawn(exchange(new H1Client(worker, endpoint, fds[0], Dial{})));
    worker.loop.turn(0ms);
  }
  net::Task<void> exchange(H1Client* connection) {
    Lease lease(*connection);
    Nobody nobody;
    Peer peer;
    auto memory = worker.borrow_memory();
    memory->request.clear();
    memory->request.method_text = "GET";
    Exchange ex(worker, nobody, peer, *memory);
    ex.options = options.get();
    ex.settings = &settings;
    ex.body_whole = true;
    Upstream& up = *lease;
    up.begin(ex);
    Status sent = co_await up.send_head(ex, {}, true);
    EXPECT_TRUE(sent);
    Status read = co_await up.read_head(ex);
    EXPECT_TRUE(read);
    lease.give_back();
    worker.return_memory(std::move(memory));
  }
  bool idle() const { return worker.pool.size() == 1; }
};

TEST(IdlePool, WhatThePodAnnouncesEndsIdlenessBeforeThePodDoes) {
  struct Row {
    const char* fields;
    Duration there, gone;
  };
  for (const auto& [fields, there, gone] : {
           Row{"", 59s, 61s},
           Row{"Keep-Alive: timeout=5\r\n", 3800ms, 4200ms},  // Node
           Row{"Keep-Alive: max=100, Timeout=5\r\n", 3800ms, 4200ms},
           Row{"Connection: keep-alive\r\nKeep-Alive: timeout=1\r\n", 300ms, 700ms},
           Row{"Keep-Alive: timeout=600\r\n", 59s, 61s},
           Row{"Keep-Alive: timeout=99999999999999999999\r\n", 59s, 61s},
           Row{"Keep-Alive: timeout=soon\r\n", 59s, 61s},
           Row{"Keep-Alive: timeout=20, timeout=10\r\n", 8500ms, 9200ms},
       }) {
    Pod pod;
    pod.answers(fields);
    EXPECT_TRUE(pod.idle()) << fields;
    pod.pass(there);
    EXPECT_TRUE(pod.idle()) << fields;
    pod.pass(gone - there);
    EXPECT_FALSE(pod.idle()) << fields;
    char byte = 0;
    EXPECT_GT(read(pod.fd, &byte, 1), 0) << "the request";
  }
}

// A connection that says when its life ends, over a socket pair.
struct FakeConnection final : PooledConnection {
  FakeConnection(WorkerContext& worker, std::shared_ptr<EndpointRuntime> endpoint, int fd, const Dial& how, bool& lives)
      : PooledConnection(worker, std::move(endpoint), fd, how, false), lives_(lives) {
    lives_ = true;
  }
  void close_idle() noexcept override { delete this; }
  void carried(std::uint32_t exchanges) { exchanges_ = exchanges; }
  void keeps(const model::KeptConnections& kept) { kept_ = kept; }

 private:
  ~FakeConnection() override { lives_ = false; }
  bool& lives_;
};

struct Idle : BareContext {
  std::shared_ptr<EndpointRuntime> endpoint = std::make_shared<EndpointRuntime>();
  std::vector<int> pods;
  std::array<bool, 8> lives{};

  ~Idle() {
    worker.pool.close_everything();
    for (const int fd : pods) close(fd);
  }
  void serve(const model::Options& options) {
    Publication publication;
    publication.snapshot = bare_snapshot(options);
    worker.apply(publication);
  }
  FakeConnection* make(const Dial& how = {}, std::uint32_t exchanges = 1) {
    int fds[2] = {-1, -1};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    auto* made = new FakeConnection(worker, endpoint, fds[0], how, lives[pods.size()]);
    pods.push_back(fds[1]);
    made->carried(exchanges);
    worker.loop.turn(0ms);
    return made;
  }
  void put(const Dial& how = {}) { worker.pool.put(*make(how)); }
  void pass(Duration time) {
    for (Duration gone{}; gone < time; gone += 100ms) {
      clock.advance(100ms);
      worker.loop.turn(0ms);
    }
  }
};

TEST(IdlePool, TheLastOneIsTakenFirst) {
  Idle idle;
  FakeConnection *first = idle.make(), *second = idle.make();
  idle.worker.pool.put(*first);
  idle.worker.pool.put(*second);
  EXPECT_EQ(idle.endpoint->idle, 2U);
  EXPECT_EQ(idle.worker.pool.take(*idle.endpoint, {}, false), second);
  EXPECT_EQ(idle.worker.pool.take(*idle.endpoint, {}, false), first);
  EXPECT_EQ(idle.worker.pool.take(*idle.endpoint, {}, false), nullptr);
  EXPECT_EQ(idle.endpoint->connections, 2U) << "they are in use";
  EXPECT_EQ(idle.endpoint->idle, 0U);
  first->close_idle();
  second->close_idle();
  EXPECT_EQ(idle.endpoint->connections, 0U);
}

TEST(IdlePool, OnlyOneThatIsAlikeIsTaken) {
  Idle idle;
  Dial of_a_client;
  of_a_client.proxy_header = "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n";
  idle.put(of_a_client);
  EXPECT_EQ(idle.worker.pool.take(*idle.endpoint, {}, false), nullptr);
  Dial tls;
  tls.tls = model::unverified_tls();
  EXPECT_EQ(idle.worker.pool.take(*idle.endpoint, tls, false), nullptr);
  EXPECT_EQ(idle.worker.pool.size(), 1U);
  PooledConnection* const taken = idle.worker.pool.take(*idle.endpoint, of_a_client, false);
  ASSERT_NE(taken, nullptr);
  idle.worker.pool.put(*taken);
}

TEST(IdlePool, BeyondTheLimitTheOldestGoes) {
  Idle idle;
  model::Options options;
  options.upstream_keepalive_connections = 2;
  idle.serve(options);
  for (int i = 0; i < 3; ++i) idle.put();
  EXPECT_EQ(idle.worker.pool.size(), 2U);
  EXPECT_FALSE(idle.lives[0]);
  EXPECT_TRUE(idle.lives[1] && idle.lives[2]);
  options.upstream_keepalive_connections = 0;
  idle.serve(options);
  idle.put();
  EXPECT_FALSE(idle.lives[3]) << "none is kept";
}

TEST(IdlePool, LimitsOfUseAreThoseOfTheOptions) {
  Idle idle;
  model::Options options;
  options.upstream_keepalive_requests = 10;
  options.upstream_keepalive_time = std::chrono::seconds(30);
  options.upstream_keepalive_timeout = std::chrono::seconds(5);
  idle.serve(options);
  idle.worker.pool.put(*idle.make({}, 9));
  EXPECT_TRUE(idle.lives[0]);
  idle.worker.pool.put(*idle.make({}, 10));
  EXPECT_FALSE(idle.lives[1]) << "it has carried all that it may";
  idle.pass(4900ms);
  EXPECT_TRUE(idle.lives[0]);
  idle.pass(300ms);
  EXPECT_FALSE(idle.lives[0]) << "nobody wanted it";
  FakeConnection* const old = idle.make();
  idle.pass(30s);
  idle.worker.pool.put(*old);
  EXPECT_FALSE(idle.lives[2]) << "it is too old";
  EXPECT_EQ(idle.worker.pool.size(), 0U);
  EXPECT_EQ(idle.endpoint->connections, 0U);
}

TEST(IdlePool, TheTimeBeginsAnewWithEachUse) {
  Idle idle;
  model::Options options;
  options.upstream_keepalive_timeout = std::chrono::seconds(5);
  idle.serve(options);
  idle.put();
  for (int i = 0; i < 3; ++i) {
    idle.pass(4s);
    PooledConnection* const taken = idle.worker.pool.take(*idle.endpoint, {}, false);
    ASSERT_NE(taken, nullptr);
    idle.worker.pool.put(*taken);
  }
  EXPECT_TRUE(idle.lives[0]);
}

TEST(IdlePool, AByteOrTheEndMakesItUseless) {
  Idle idle;
  idle.put();
  idle.put();
  ASSERT_EQ(write(idle.pods[0], "x", 1), 1);
  ASSERT_EQ(shutdown(idle.pods[1], SHUT_WR), 0);
  idle.worker.loop.turn(0ms);
  EXPECT_FALSE(idle.lives[0] || idle.lives[1]);
  EXPECT_EQ(idle.worker.pool.size(), 0U);
}

// A request that must not be sent twice: what the kernel knows already is asked for before it goes.
TEST(IdlePool, WhoMustBeCarefulGetsNoneThatThePodHasClosed) {
  Idle idle;
  idle.put();
  idle.put();
  ASSERT_EQ(shutdown(idle.pods[1], SHUT_WR), 0);
  PooledConnection* const taken = idle.worker.pool.take(*idle.endpoint, {}, true);
  ASSERT_NE(taken, nullptr);
  EXPECT_FALSE(idle.lives[1]);
  EXPECT_TRUE(idle.lives[0]);
  idle.worker.pool.put(*taken);
}

TEST(IdlePool, NothingIsKeptOfAnEndpointThatIsGoneNorWhileTheWorkerDrains) {
  Idle idle;
  FakeConnection *gone = idle.make(), *drained = idle.make();
  idle.endpoint->retired = true;
  idle.worker.pool.put(*gone);
  EXPECT_FALSE(idle.lives[0]);
  idle.endpoint->retired = false;
  idle.shared.draining = true;
  idle.worker.pool.put(*drained);
  EXPECT_FALSE(idle.lives[1]);
}

TEST(IdlePool, ThoseOfAnEndpointAreClosedBetweenRequests) {
  Idle idle;
  for (int i = 0; i < 3; ++i) idle.put();
  idle.worker.pool.close_all(*idle.endpoint);
  EXPECT_EQ(idle.worker.pool.take(*idle.endpoint, {}, false), nullptr) << "nobody takes them any more";
  EXPECT_TRUE(idle.lives[0]);
  idle.worker.loop.turn(0ms);
  EXPECT_FALSE(idle.lives[0] || idle.lives[1] || idle.lives[2]);
  EXPECT_EQ(idle.stats.upstream_connections.get(), 0U);
  EXPECT_EQ(idle.stats.upstream_idle.get(), 0U);
}

// For whoever found none that suits: an idle one must not hold the place.
TEST(IdlePool, TheOldestOfAnEndpointGivesUpItsPlace) {
  Idle idle;
  idle.put();
  idle.put();
  EXPECT_TRUE(idle.worker.pool.make_room(*idle.endpoint));
  EXPECT_FALSE(idle.lives[0]);
  EXPECT_TRUE(idle.lives[1]);
  EXPECT_EQ(idle.endpoint->connections, 1U);
  EXPECT_TRUE(idle.worker.pool.make_room(*idle.endpoint));
  EXPECT_FALSE(idle.worker.pool.make_room(*idle.endpoint));
  EXPECT_EQ(idle.endpoint->connections, 0U);
}

TEST(IdlePool, NoTimeAtAllIsNoReuse) {
  Pod pod;
  pod.answers("Keep-Alive: timeout=0\r\n");
  EXPECT_FALSE(pod.idle());
  EXPECT_EQ(pod.endpoint->connections, 0U);
}

// auth-keepalive and what goes with it, in place of the options.
TEST(IdlePool, WhoAskedForThemSaysHowManyAreKept) {
  Idle idle;
  const auto put = [&](const model::KeptConnections& kept, std::uint32_t exchanges = 1) {
    auto* made = idle.make({}, exchanges);
    made->keeps(kept);
    idle.worker.pool.put(*made);
  };
  for (int i = 0; i < 3; ++i) put({.idle = 2});
  EXPECT_EQ(idle.worker.pool.size(), 2U);
  EXPECT_FALSE(idle.lives[0]) << "the oldest";
  put({.idle = 2, .requests = 5}, 5);
  EXPECT_EQ(idle.worker.pool.size(), 2U);
  EXPECT_FALSE(idle.lives[3]) << "used up";
  put({.idle = 2, .requests = 5}, 4);
  EXPECT_TRUE(idle.lives[4]);
}

TEST(IdlePool, WhoAskedForThemSaysForHowLong) {
  Idle idle;
  const auto put = [&](const model::KeptConnections& kept) {
    auto* made = idle.make();
    made->keeps(kept);
    idle.worker.pool.put(*made);
  };
  put({.idle = 9, .timeout = 3s});
  put({.idle = 9, .timeout = 90s});
  put({});
  idle.pass(2900ms);
  EXPECT_EQ(idle.worker.pool.size(), 3U);
  idle.pass(300ms);
  EXPECT_FALSE(idle.lives[0]);
  idle.pass(58s);
  EXPECT_FALSE(idle.lives[2]) << "as the options say";
  EXPECT_TRUE(idle.lives[1]);
  idle.pass(30s);
  EXPECT_FALSE(idle.lives[1]);
}

}  // namespace
}  // namespace sluice::data
