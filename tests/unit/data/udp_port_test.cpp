// Sessions of datagrams: who gets one, who loses one, and when the port is let go of. With real sockets.
#include "data/server/udp_port.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "bare_worker.h"
#include "data/compiler/compiler.h"
#include "data/snapshot/streams.h"

namespace sluice::data {
namespace {

using namespace std::chrono_literals;

// A bound socket of a client or of a pod.
struct Datagrams {
  int fd;
  net::SocketAddress at;
  explicit Datagrams(const char* address = "127.0.0.1")
      : fd(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    const auto any = net::make_address(address, 0).value();
    EXPECT_EQ(bind(fd, any.get(), any.size), 0);
    at = net::local_address(fd);
  }
  Datagrams(Datagrams&& other) noexcept : fd(std::exchange(other.fd, -1)), at(other.at) {}
  Datagrams& operator=(Datagrams&&) = delete;
  ~Datagrams() {
    if (fd >= 0) close(fd);
  }
  void send_to(const net::SocketAddress& to) { EXPECT_EQ(sendto(fd, "x", 1, 0, to.get(), to.size), 1); }
  // How many have come. A datagram over loopback is there once it is sent.
  int take(net::SocketAddress* from = nullptr) {
    char bytes[16];
    for (int n = 0;; ++n) {
      net::SocketAddress peer;
      peer.size = peer.kRoom;
      if (recvfrom(fd, bytes, sizeof bytes, 0, peer.get(), &peer.size) < 0) return n;
      if (from != nullptr) *from = peer;
    }
  }
};

struct Streams {
  BareWorker bare;
  Worker& worker = bare.worker;
  Datagrams pod, other;
  net::SocketAddress port;
  model::Options options;
  model::Model model;
  Compiler compiler;
  std::shared_ptr<const Snapshot> serving;

  Streams() {
    cluster("one", pod);
    cluster("two", other);
    const int fd = net::take_datagrams(net::make_address("127.0.0.1", 0).value(), net::Binding::first).value();
    port = net::local_address(fd);
    lead_to("one");
    worker.open_streams({{{model::Transport::udp, port.port()}, fd}});
  }
  void cluster(const char* name, const Datagrams& where) {
    auto c = std::make_shared<model::Cluster>();
    c->name = name;
    c->endpoints = {{"127.0.0.1", where.at.port(), true, false, false, ""}};
    model.clusters[name] = c;
  }
  void lead_to(const char* cluster) {
    model::StreamListener l;
    l.transport = model::Transport::udp;
    l.port = port.port();
    l.cluster = cluster;
    model.streams = std::make_shared<const model::StreamListeners>(model::StreamListeners{l});
    publish();
  }
  void publish() {
    model.options = std::make_shared<const model::Options>(options);
    model::Change change;
    change.everything = serving == nullptr;
    change.options = change.streams = change.own = true;
    const auto publication = compiler.compile(model, change);
    serving = publication.snapshot;
    worker.apply(publication, nullptr);
  }
  void turn() { worker.loop.turn(0s); }
  void ask(Datagrams& client) {
    client.send_to(port);
    turn();
  }
  const StreamFigures& figures() { return *serving->streams->find(model::Transport::udp, port.port())->figures; }
  std::uint64_t active() { return figures().active.load(); }
  // Would somebody else get the port?
  bool free() {
    const auto fd = net::take_datagrams(port, net::Binding::first);
    if (fd) close(*fd);
    return fd.has_value();
  }
};

TEST(UdpPort, SessionsHaveAShareOfPlacesAndOfThePortsOfThisMachine) {
  EXPECT_EQ(most_sessions(1000, 28232, 1), 250U);
  EXPECT_EQ(most_sessions(1000, 28232, 4), 62U);
  EXPECT_EQ(most_sessions(838'860, 28232, 1), 7058U);
  EXPECT_EQ(most_sessions(838'860, 28232, 4), 1764U);
  EXPECT_EQ(most_sessions(10, 28232, 4), 16U) << "few places";
  EXPECT_EQ(most_sessions(838'860, 20, 4), 1U) << "few ports";
  EXPECT_EQ(most_sessions(838'860, 28232, 0), 7058U);
  EXPECT_GT(local_ports(), 0U);
  EXPECT_LE(local_ports(), 65536U);
}

// Where the kernel has no more, the session that has been quiet for longest gives back what it has.
TEST(UdpPort, WithoutDescriptorsTheQuietestSessionGoes) {
  Streams s;
  Datagrams a, b, c;
  s.ask(a);
  s.ask(b);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const int next = dup(a.fd);  // the lowest that is free
  close(next);
  rlimit none{static_cast<rlim_t>(next), before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  s.pod.take();
  s.ask(c);
  setrlimit(RLIMIT_NOFILE, &before);
  net::SocketAddress last;
  ASSERT_EQ(s.pod.take(&last), 1);
  EXPECT_EQ(s.active(), 2U);
  s.pod.send_to(last);
  s.turn();
  EXPECT_EQ(c.take(), 1);
}

// In a network of its own, which ends with its thread.
TEST(UdpPort, WithoutPortsTheQuietestSessionGoes) {
  bool allowed = false;
  std::thread([&] {
    if (unshare(CLONE_NEWNET) != 0) return;
    ifreq lo{};
    std::strcpy(lo.ifr_name, "lo");
    lo.ifr_flags = IFF_UP;
    const int fd = socket(AF_INET, SOCK_DGRAM, 0);
    const bool up = ioctl(fd, SIOCSIFFLAGS, &lo) == 0;
    close(fd);
    std::ofstream range("/proc/sys/net/ipv4/ip_local_port_range");
    if (!up || !(range << "40000 40039" << std::flush)) return;
    allowed = true;
    ASSERT_EQ(local_ports(), 40U);
    Streams s;
    std::vector<Datagrams> clients;
    for (int i = 0; i < 6; ++i) clients.emplace_back();
    std::vector<Datagrams> others;
    for (;;) {  // until two are left
      const int one = socket(AF_INET, SOCK_DGRAM, 0);
      const auto any = net::make_address("0.0.0.0", 0).value();
      const bool got = bind(one, any.get(), any.size) == 0;
      close(one);
      if (!got) break;
      others.emplace_back("0.0.0.0");
    }
    others.pop_back();
    others.pop_back();
    for (auto& c : clients) {
      s.pod.take();
      s.ask(c);
      ASSERT_EQ(s.pod.take(), 1);
    }
    EXPECT_EQ(s.active(), 2U);
    EXPECT_EQ(s.figures().dropped.load(), 0U);
  }).join();
  if (!allowed) GTEST_SKIP() << "no network of its own: ports were NOT used up";
}

TEST(UdpPort, AFullTotalEndsASessionAndNoMore) {
  Streams s;
  s.options.max_connections = 20;
  s.publish();
  Datagrams a, b, c;
  s.ask(a);
  s.ask(b);
  const std::uint8_t somebody[16]{1};
  for (int i = 0; i < 18; ++i) ASSERT_TRUE(s.bare.shared.limits.enter(somebody, 20, 0));
  s.pod.take();
  s.ask(c);
  EXPECT_EQ(s.pod.take(), 1);
  EXPECT_EQ(s.active(), 2U);
  EXPECT_EQ(s.bare.shared.limits.total(), 20U);
  s.options.max_connections = 10;  // far fewer than there are
  s.publish();
  s.ask(a);
  EXPECT_EQ(s.pod.take(), 1);
  EXPECT_EQ(s.active(), 2U) << "one for one";
}

TEST(UdpPort, WhoIsOverItsOwnLimitCostsNobodyASession) {
  Streams s;
  s.options.max_connections = 64;  // 16 sessions
  s.options.max_connections_per_address = 1;
  s.publish();
  std::vector<Datagrams> clients;
  for (int i = 1; i <= 16; ++i) {
    clients.emplace_back(("127.0.1." + std::to_string(i)).c_str());
    s.ask(clients.back());
  }
  ASSERT_EQ(s.active(), 16U);
  Datagrams again("127.0.1.16"), fresh("127.0.1.17");
  s.ask(again);
  EXPECT_EQ(s.active(), 16U);
  EXPECT_EQ(s.figures().dropped.load(), 1U);
  EXPECT_EQ(s.bare.shared.limits.total(), 16U);
  s.ask(fresh);
  EXPECT_EQ(s.active(), 16U);
  EXPECT_EQ(s.pod.take(), 17);
}

// Nor does who reaches no pod.
TEST(UdpPort, WhoReachesNoPodCostsNobodyASession) {
  Streams s;
  s.options.max_connections = 64;
  s.publish();
  std::vector<Datagrams> clients(16);
  for (auto& c : clients) s.ask(c);
  model::OwnListeners own;
  own.datagrams = {model::read_listener("udp", "127.0.0.1:" + std::to_string(s.pod.at.port()))};
  s.model.own = std::make_shared<const model::OwnListeners>(own);
  s.publish();
  Datagrams late;
  s.ask(late);
  EXPECT_EQ(s.active(), 16U);
  EXPECT_EQ(s.bare.shared.limits.total(), 16U);
}

TEST(UdpPort, WhoGoesOnSendingGoesWhereThePortLeadsNow) {
  Streams s;
  Datagrams client;
  s.ask(client);
  net::SocketAddress first, second;
  EXPECT_EQ(s.pod.take(&first), 1);
  s.compiler.start_over();  // after which its figures begin anew
  s.serving = nullptr;
  s.publish();
  s.ask(client);
  EXPECT_EQ(s.pod.take(&second), 1);
  EXPECT_EQ(first.port(), second.port()) << "one session, as nothing has changed for it";
  s.lead_to("two");
  s.ask(client);
  EXPECT_EQ(s.other.take(), 1);
  EXPECT_EQ(s.pod.take(), 0);
  EXPECT_EQ(s.active(), 1U);
  EXPECT_EQ(s.bare.shared.limits.total(), 1U) << "the other one is over";
}

TEST(UdpPort, IsLetGoOfAtOnceWhereNobodyIsServed) {
  Streams s;
  ASSERT_FALSE(s.free());
  s.worker.drain(60s);
  EXPECT_TRUE(s.free());
}

TEST(UdpPort, IsLetGoOfWithItsLastSession) {
  Streams s;
  Datagrams a, b, late;
  s.ask(a);
  a.take();
  b.send_to(s.port);  // it waits in the socket
  s.worker.drain(60s);
  EXPECT_EQ(s.pod.take(), 2) << "what had come is taken";
  EXPECT_FALSE(s.free());
  s.ask(late);
  EXPECT_EQ(s.pod.take(), 0) << "nobody new";
  net::SocketAddress session;
  s.ask(a);
  ASSERT_EQ(s.pod.take(&session), 1);
  s.pod.send_to(session);
  s.pod.send_to(session);  // each of its two has its answer
  s.turn();
  EXPECT_EQ(a.take(), 2);
  EXPECT_FALSE(s.free()) << "the other one is open";
  s.bare.clock.advance(601s);
  s.turn();
  EXPECT_TRUE(s.free());
}

TEST(UdpPort, NothingIsOpenedOnceDrainingHasBegun) {
  Streams s;
  s.bare.shared.draining = true;
  const auto any = net::make_address("127.0.0.1", 0).value();
  const int fd = net::take_datagrams(any, net::Binding::first).value();
  s.worker.open_streams({{{model::Transport::udp, net::local_address(fd).port()}, fd}});
  EXPECT_EQ(fcntl(fd, F_GETFD), -1);
}

// Sessions are memory: each is told to the ladder, and from `shed` on those go that have been quiet for longest.
TEST(UdpPort, SessionsAreOnTheLadderOfOverload) {
  Streams s;
  s.bare.figures = {0, 1'000'000};
  s.bare.overload.look();
  s.bare.figures.used = 960'000;
  std::vector<Datagrams> clients(100);
  for (auto& c : clients) s.ask(c);
  EXPECT_TRUE(s.bare.overload.held().any(Rung::refuse)) << "somebody has looked while they came";
  EXPECT_LT(s.active(), 100U) << "and refused the others";
}

TEST(UdpPort, QuietSessionsEndWhereMemoryIsShort) {
  Streams s;
  Datagrams quiet, quieter, busy;
  s.ask(quieter);
  s.bare.clock.advance(10ms);
  s.ask(quiet);
  s.ask(busy);
  s.bare.clock.advance(1s);
  s.ask(busy);
  ASSERT_EQ(s.active(), 3U);
  s.bare.figures = {901'000, 1'000'000};
  s.bare.overload.look();
  s.bare.figures.used = 873'000;  // still 3000 too much, which is less than one
  s.turn();
  EXPECT_EQ(s.active(), 2U);
  s.bare.figures.used = 901'000;
  for (int i = 0; i < 3; ++i) s.turn();
  EXPECT_EQ(s.active(), 1U) << "whose datagrams come is not quiet";
  EXPECT_EQ(s.bare.stats.overload_idle_closed.get(), 2U);
  s.pod.take();
  s.ask(busy);
  net::SocketAddress session;
  EXPECT_EQ(s.pod.take(&session), 1);
}

}  // namespace
}  // namespace sluice::data
