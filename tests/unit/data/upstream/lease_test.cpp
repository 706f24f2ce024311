// Who waits for a connection to a pod: in which order, how long, and how many.
#include "data/upstream/lease.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vector>

#include "../bare_context.h"
#include "../fakes.h"
#include "../pooled_pod.h"
#include "net/io/socket.h"

namespace sluice::data {
namespace {

using namespace std::chrono_literals;

// An endpoint that takes one connection at a time, which lies idle.
struct Full : BareContext {
  model::RouteSettings settings;
  model::Options options;
  std::vector<model::Endpoint> named;
  ClusterRuntime* cluster = nullptr;
  std::optional<PooledPod> pod;

  explicit Full(const std::string& address = "192.0.2.1", std::uint16_t port = 8080) {
    options.upstream_max_connections = 1;
    named = {{address, port, true, false, false, ""}};
    cluster = new ClusterRuntime(worker, spec(), nullptr, 1);
    std::vector<std::uint32_t> tried;
    pod.emplace(worker, cluster->pick(tried));
  }
  ~Full() {
    worker.pool.close_everything();
    cluster->unpin();
  }
  std::shared_ptr<const model::Cluster> spec() const {
    auto out = std::make_shared<model::Cluster>();
    out->name = "default/svc:80";
    out->endpoints = named;
    return out;
  }
  // Its Service has no pod any more.
  void nobody_is_left() {
    named.clear();
    cluster->reconcile(spec(), nullptr);
    turn();
  }
  EndpointRuntime& endpoint() { return *pod->endpoint; }
  // The descriptor that is connected to this port; -1: none is.
  static int held_fd(std::uint16_t port) {
    for (int fd = 3; fd < 1024; ++fd) {
      net::SocketAddress peer;
      peer.size = peer.kRoom;
      sockaddr* const out = peer.get();
      if (getpeername(fd, out, &peer.size) == 0 && peer.family() == AF_INET && peer.port() == port) return fd;
    }
    return -1;
  }
  void turn() {
    for (int i = 0; i < 4; ++i) worker.loop.turn(0ms);
  }
};

// One that asks for a connection as soon as it is made.
struct Asking {
  // `of`: the endpoint; null: that of the pod.
  explicit Asking(Full& at, bool fresh = false, std::shared_ptr<EndpointRuntime> of = nullptr)
      : full(at),
        endpoint(of ? std::move(of) : at.pod->endpoint),
        client(at.worker),
        memory(at.worker.borrow_memory()) {
    memory->request.clear();
    memory->request.method_text = "GET";
    memory->request.method = net::http::Method::get;
    ex.emplace(full.worker, client, peer, *memory);
    ex->settings = &full.settings;
    ex->options = &full.options;
    ex->cluster = full.cluster;
    ex->body_whole = true;
    net::spawn(run(fresh));
    full.turn();
  }
  ~Asking() {
    held.reset();
    ex.reset();
    full.worker.return_memory(std::move(memory));
  }
  Asking(const Asking&) = delete;
  Asking& operator=(const Asking&) = delete;
  net::Task<void> run(bool fresh) {
    ex->attempt = &attempt;
    net::Task<Result<Lease>> leasing = lease(full.worker, *ex, endpoint, fresh);
    Result<Lease> leased = co_await leasing;
    over = true;
    if (leased)
      held.emplace(std::move(*leased));
    else
      error = leased.error();
  }
  void is_answered() {
    net::spawn(exchange());
    full.turn();
    full.pod->heard();
    full.pod->says("HTTP/1.1 204 No Content\r\n\r\n");
    full.turn();
  }
  // After that: the connection lies idle again, and whoever waits first is called.
  void gives_back() {
    held->give_back();
    held.reset();
  }
  void finishes() {
    is_answered();
    gives_back();
    full.turn();
  }
  net::Task<void> exchange() {
    Upstream& up = **held;
    up.begin(*ex);
    Status sent = co_await up.send_head(*ex, {}, true);
    EXPECT_TRUE(sent);
    Status read = co_await up.read_head(*ex);
    EXPECT_TRUE(read);
  }
  bool waits() const { return !over; }
  // Was it sent away, of which the retry rule says that it may go elsewhere?
  bool was_sent_away() const { return over && !held && error.retry == Retry::elsewhere; }

  Full& full;
  std::shared_ptr<EndpointRuntime> endpoint;
  FakeClient client;
  Peer peer;
  std::unique_ptr<ExchangeMemory> memory;
  std::optional<Exchange> ex;
  Attempt attempt;
  bool over = false;
  std::optional<Lease> held;
  Error error;
};

TEST(Lease, AnIdleConnectionIsTaken) {
  Full full;
  Asking first(full);
  ASSERT_TRUE(first.held);
  EXPECT_EQ(full.worker.pool.size(), 0U);
  EXPECT_EQ(full.stats.upstream_reused.get(), 1U);
  EXPECT_EQ(full.stats.upstream_connects.get(), 0U);
  first.finishes();
  EXPECT_EQ(full.worker.pool.size(), 1U);
}

TEST(Lease, WhoWaitsIsServedInOrder) {
  Full full;
  Asking first(full), second(full), third(full);
  ASSERT_TRUE(first.held);
  EXPECT_TRUE(second.waits() && third.waits());
  EXPECT_EQ(full.endpoint().waiting.size(), 2U);
  first.finishes();
  ASSERT_TRUE(second.held);
  EXPECT_TRUE(third.waits());
  second.finishes();
  ASSERT_TRUE(third.held);
  third.finishes();
  EXPECT_TRUE(full.endpoint().waiting.empty());
  EXPECT_EQ(full.endpoint().connections, 1U);
  EXPECT_EQ(full.stats.upstream_connects.get(), 0U) << "one connection has served all three";
}

TEST(Lease, NoMoreWaitThanMay) {
  Full full;
  full.options.upstream_max_pending = 1;
  Asking first(full), second(full), third(full);
  EXPECT_TRUE(second.waits());
  ASSERT_TRUE(third.over);
  EXPECT_EQ(third.error.status, 503);
  EXPECT_EQ(third.error.fault, Fault::overload);
  EXPECT_TRUE(is_full(third.error));
  EXPECT_EQ(full.stats.shed_requests.get(), 0U) << "another pod may have a place";
  first.finishes();
  EXPECT_TRUE(second.held);
}

TEST(Lease, SoManyMayWaitAtAllEndpointsTogether) {
  Full full;
  full.options.upstream_max_pending = 1;
  full.named.push_back({"192.0.2.9", 8080, true, false, false, ""});
  full.cluster->reconcile(full.spec(), nullptr);
  Asking first(full), second(full);
  EXPECT_TRUE(second.waits());
  std::vector<std::uint32_t> tried{full.endpoint().load.id};
  const auto beside = full.cluster->pick(tried);
  PooledPod idle(full.worker, beside);
  Asking third(full, false, beside), fourth(full, false, beside);
  EXPECT_TRUE(third.held);
  ASSERT_TRUE(fourth.over);
  EXPECT_TRUE(is_full(fourth.error)) << "one waits at the first endpoint";
  first.finishes();
  EXPECT_TRUE(second.held);
  EXPECT_EQ(full.cluster->waiting, 0U);
}

TEST(Lease, NobodyWaitsLongerThanForAConnection) {
  Full full;
  full.settings.connect_timeout = 5s;
  Asking first(full), second(full);
  full.clock.advance(4900ms);
  full.turn();
  EXPECT_TRUE(second.waits());
  full.clock.advance(200ms);
  full.turn();
  ASSERT_TRUE(second.over);
  EXPECT_EQ(second.error.status, 503);
  EXPECT_GE(second.ex->waited, 5s);
  EXPECT_TRUE(full.endpoint().waiting.empty());
  EXPECT_EQ(second.ex->waiting_on, nullptr);
}

// A listening socket that nobody looks at, with room for `most` connections and one.
struct Deaf {
  explicit Deaf(int most) : fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const auto any = *net::make_address("127.0.0.1", 0);
    EXPECT_EQ(bind(fd, any.get(), any.size), 0);
    EXPECT_EQ(listen(fd, most), 0);
  }
  ~Deaf() {
    for (const int full : takes) close(full);
    close(fd);
  }
  std::uint16_t port() const { return net::local_address(fd).port(); }
  // From now on the kernel answers nobody.
  void fill() {
    for (int i = 0; i < 2; ++i) takes.push_back(net::connect_to(net::local_address(fd)));
  }
  int fd;
  std::vector<int> takes;
};

// Why nothing came of a connection that had five seconds.
Error waits_in_vain(Full& full) {
  full.options.upstream_max_connections = 0;
  full.settings.connect_timeout = 5s;
  Asking asking(full, true);
  full.clock.advance(4900ms);
  full.turn();
  EXPECT_TRUE(asking.waits());
  full.clock.advance(200ms);
  full.turn();
  EXPECT_TRUE(asking.over);
  return asking.error;
}

TEST(Lease, ConnectingHasItsTime) {
  Deaf pod(0);
  pod.fill();
  Full full("127.0.0.1", pod.port());
  const Error why = waits_in_vain(full);
  EXPECT_EQ(why.fault, Fault::connect_timeout);
  EXPECT_EQ(why.retry, Retry::yes);
}

TEST(Lease, TheHandshakeWithAPodIsPartOfConnecting) {
  Deaf pod(8);
  Full full("127.0.0.1", pod.port());
  full.settings.protocol = model::BackendProtocol::https;
  const Error why = waits_in_vain(full);
  EXPECT_EQ(why.fault, Fault::timeout);
  EXPECT_EQ(why.retry, Retry::yes);
}

// What the kernel does of it by itself needs a machine that is gone: `make chaos` has one.
TEST(Lease, TheKernelIsToldHowLongAMachineMaySayNothing) {
  Deaf pod(8);
  Full full("127.0.0.1", pod.port());
  full.options.upstream_max_connections = 0;
  Publication publication;
  publication.snapshot = bare_snapshot([] {
    model::Options options;
    options.upstream_tcp_user_timeout = 2s;
    return options;
  }());
  full.worker.apply(publication);
  Asking first(full, true);
  ASSERT_TRUE(first.held);
  const int fd = full.held_fd(pod.port());
  unsigned set = 0;
  socklen_t size = sizeof set;
  ASSERT_EQ(getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &set, &size), 0);
  EXPECT_EQ(set, 2000U);
}

TEST(Lease, WhoLeavesGivesItsTurnToTheNext) {
  Full full;
  Asking first(full), second(full), third(full);
  ASSERT_NE(second.ex->waiting_on, nullptr);
  second.ex->waiting_on->cancel(kClientLeft);
  full.turn();
  ASSERT_TRUE(second.over);
  EXPECT_EQ(second.error.status, 499);
  EXPECT_TRUE(third.waits());
  first.finishes();
  EXPECT_TRUE(third.held);
}

// Called and cancelled in the same turn: the call is not lost.
TEST(Lease, ATurnThatComesTooLateIsPassedOn) {
  Full full;
  Asking first(full), second(full), third(full);
  first.is_answered();
  first.gives_back();
  ASSERT_TRUE(second.waits());
  second.ex->waiting_on->cancel(kClientLeft);
  full.turn();
  ASSERT_TRUE(second.over);
  EXPECT_FALSE(second.held);
  EXPECT_TRUE(third.held);
}

// Another tenant's pod may have the address of one that is gone: who waits leaves it although there is no other.
TEST(Lease, WhoWaitsForAPodThatIsGoneIsSentAway) {
  Full full;
  Asking first(full), second(full), third(full);
  full.nobody_is_left();
  EXPECT_TRUE(second.was_sent_away() && third.was_sent_away());
  first.finishes();
  EXPECT_EQ(full.endpoint().connections, 0U) << "what was written goes on, and its connection is not kept";
}

TEST(Lease, WhoWaitsForAPodThatTerminatesStaysWhereNobodyElseIs) {
  Full full;
  Asking first(full), second(full);
  full.named[0].terminating = true;
  full.cluster->reconcile(full.spec(), nullptr);
  full.turn();
  EXPECT_TRUE(second.waits());
  first.finishes();
  EXPECT_TRUE(second.held);
}

TEST(Lease, WhoIsCalledAsThePodGoesIsSentAway) {
  Full full;
  Asking first(full), second(full);
  first.is_answered();
  first.gives_back();
  ASSERT_TRUE(second.waits());
  full.nobody_is_left();
  EXPECT_TRUE(second.was_sent_away());
}

TEST(Lease, NobodyGetsAConnectionToAPodThatIsGone) {
  Full full;
  full.options.upstream_max_connections = 0;
  full.nobody_is_left();
  Asking late(full, true);
  EXPECT_TRUE(late.was_sent_away());
  EXPECT_EQ(full.stats.upstream_connects.get(), 0U);
}

// One whose Cluster is gone: nobody knows any longer what becomes of its addresses.
TEST(Lease, WhoWaitsAtAClusterThatIsGoneIsSentAway) {
  Full full;
  Asking first(full), second(full);
  full.cluster->retire();
  full.turn();
  EXPECT_TRUE(second.was_sent_away());
  std::vector<std::uint32_t> tried;
  EXPECT_EQ(full.cluster->pick(tried), nullptr);
}

// A connection that is being made is given up: its next packet may reach another's pod.
void gives_up_connecting(model::BackendProtocol protocol) {
  Deaf pod(0);
  pod.fill();
  Full full("127.0.0.1", pod.port());
  full.settings.protocol = protocol;
  full.options.upstream_max_connections = 0;
  Asking connecting(full, true);
  ASSERT_TRUE(connecting.waits());
  ASSERT_EQ(full.endpoint().connections, 2U) << "and one that lies idle";
  full.nobody_is_left();
  EXPECT_TRUE(connecting.was_sent_away());
  full.turn();
  EXPECT_EQ(full.endpoint().connections, 0U);
  EXPECT_EQ(full.stats.upstream_connect_failures.get(), 0U) << "for no fault of the pod's";
}

TEST(Lease, AConnectionToAPodThatIsGoneIsNotMade) {
  gives_up_connecting(model::BackendProtocol::http);
}

TEST(Lease, NorIsOneOfHttp2) {
  gives_up_connecting(model::BackendProtocol::grpc);
}

TEST(Lease, NorIsOneOfFastcgi) {
  gives_up_connecting(model::BackendProtocol::fcgi);
}

}  // namespace
}  // namespace sluice::data
