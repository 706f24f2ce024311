// The Resolver against a small name server on a UDP port of its own.
#include "control/resolver.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <cstring>
#include <map>
#include <mutex>
#include <thread>

#include "scratch.h"

namespace sluice::control {
namespace {

using std::chrono::milliseconds;

// Answers A and AAAA from a table; names that are not in it are NXDOMAIN; `silent` answers nothing at all.
class NameServer {
 public:
  struct Row {
    std::vector<std::string> addresses;
    std::uint32_t ttl = 60;
  };
  NameServer() {
    fd_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::bind(fd_, reinterpret_cast<sockaddr*>(&a), sizeof a);
    socklen_t n = sizeof a;
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&a), &n);
    port_ = ntohs(a.sin_port);
    timeval tv{0, 20'000};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    thread_ = std::jthread([this](std::stop_token stop) { run(stop); });
  }
  ~NameServer() {
    thread_.request_stop();
    thread_.join();
    ::close(fd_);
  }
  void set(const std::string& name, Row row) {
    std::lock_guard lock(mutex_);
    rows_[name] = std::move(row);
  }
  void forget(const std::string& name) {
    std::lock_guard lock(mutex_);
    rows_.erase(name);
  }
  int port() const { return port_; }
  std::atomic<int> queries{0};
  std::atomic<bool> silent{false};
  std::set<std::string> asked() {
    std::lock_guard lock(mutex_);
    return asked_;
  }

 private:
  void run(const std::stop_token& stop) {
    unsigned char in[512];
    while (!stop.stop_requested()) {
      sockaddr_in peer{};
      socklen_t length = sizeof peer;
      auto n = ::recvfrom(fd_, in, sizeof in, 0, reinterpret_cast<sockaddr*>(&peer), &length);
      if (n < 17) continue;
      std::string name;
      std::size_t at = 12;
      while (in[at] && at + in[at] < static_cast<std::size_t>(n)) {
        name += (name.empty() ? "" : ".") + std::string(reinterpret_cast<char*>(in) + at + 1, in[at]);
        at += in[at] + 1U;
      }
      ++at;
      int type = in[at] << 8 | in[at + 1];
      ++queries;
      std::lock_guard lock(mutex_);
      asked_.insert(name);
      if (silent) continue;
      auto row = rows_.find(name);
      std::string out(reinterpret_cast<char*>(in), at + 4);
      int answers = 0;
      std::string body;
      if (row != rows_.end())
        for (auto& address : row->second.addresses) {
          unsigned char raw[16];
          bool six = address.find(':') != std::string::npos;
          if (six != (type == 28)) continue;
          ::inet_pton(six ? AF_INET6 : AF_INET, address.c_str(), raw);
          auto ttl = row->second.ttl;
          const char head[] = {'\xc0',
                               12,
                               0,
                               static_cast<char>(type),
                               0,
                               1,
                               static_cast<char>(ttl >> 24),
                               static_cast<char>(ttl >> 16),
                               static_cast<char>(ttl >> 8),
                               static_cast<char>(ttl),
                               0,
                               static_cast<char>(six ? 16 : 4)};
          body.append(head, sizeof head);
          body.append(reinterpret_cast<char*>(raw), six ? 16 : 4);
          ++answers;
        }
      out[2] = '\x81';
      out[3] = static_cast<char>(row == rows_.end() ? 0x83 : 0x80);
      out[6] = static_cast<char>(answers >> 8);
      out[7] = static_cast<char>(answers);
      out[8] = out[9] = out[10] = out[11] = 0;
      out += body;
      ::sendto(fd_, out.data(), out.size(), 0, reinterpret_cast<sockaddr*>(&peer), length);
    }
  }
  int fd_, port_;
  std::mutex mutex_;
  std::map<std::string, Row> rows_;
  std::set<std::string> asked_;
  std::jthread thread_;
};

struct ResolverTest : ::testing::Test {
  NameServer server;
  testing::Scratch dir;
  struct Said {
    std::vector<std::string> addresses;
    std::string error;
    int times = 0;
  };
  std::map<std::string, Said> said;
  std::unique_ptr<Resolver> resolver;
  void SetUp() override {
    dir.write("resolv.conf",
              "# ours\nsearch example.org\nnameserver 127.0.0.1:" + std::to_string(server.port()) + "\n");
    resolver = std::make_unique<Resolver>(
        (dir / "resolv.conf").string(),
        [this](const std::string& name, std::vector<std::string> addresses, std::string error) {
          auto& s = said[name];
          s = {std::move(addresses), std::move(error), s.times + 1};
        });
  }
  // Runs its loop until the condition holds.
  bool run(const std::function<bool()>& until, milliseconds limit = std::chrono::seconds(15)) {
    SystemClock clock;
    auto end = clock.now() + limit;
    while (!until()) {
      auto now = clock.now();
      if (now > end) return false;
      std::vector<pollfd> fds;
      auto wait = std::min<Duration>(resolver->prepare(fds, now), milliseconds(50));
      ::poll(fds.data(), fds.size(), static_cast<int>(std::chrono::ceil<milliseconds>(wait).count()));
      resolver->process(fds.data(), fds.size(), clock.now());
    }
    return true;
  }
};

TEST_F(ResolverTest, BothFamiliesInAStableOrder) {
  server.set("pods.example", {{"192.0.2.9", "192.0.2.1", "2001:db8::1"}});
  resolver->want({"pods.example"});
  ASSERT_TRUE(run([&] { return said.contains("pods.example"); }));
  EXPECT_EQ(said["pods.example"].addresses, (std::vector<std::string>{"192.0.2.1", "192.0.2.9", "2001:db8::1"}));
  EXPECT_EQ(said["pods.example"].error, "");
}

TEST_F(ResolverTest, NamesAreAbsolute) {
  resolver->want({"svc.ns"});
  ASSERT_TRUE(run([&] { return said.contains("svc.ns"); }));
  EXPECT_NE(said["svc.ns"].error, "");
  EXPECT_EQ(server.asked(), (std::set<std::string>{"svc.ns"}));
}

TEST_F(ResolverTest, TheTtlDecidesWhenItAsksAgain) {
  server.set("short.example", {{"192.0.2.1"}, 0});  // at least a second
  server.set("long.example", {{"192.0.2.1"}, 3000});
  resolver->want({"short.example", "long.example"});
  ASSERT_TRUE(run([&] { return said.size() == 2; }));
  server.set("short.example", {{"192.0.2.2"}, 1});
  server.set("long.example", {{"192.0.2.2"}, 3000});
  auto from = std::chrono::steady_clock::now();
  ASSERT_TRUE(run([&] { return said["short.example"].times == 2; }));
  EXPECT_GE(std::chrono::steady_clock::now() - from, milliseconds(500));
  EXPECT_EQ(said["short.example"].addresses, std::vector<std::string>{"192.0.2.2"});
  EXPECT_EQ(said["long.example"].times, 1);
}

TEST_F(ResolverTest, StaleAddressesStayWhenTheNameFails) {
  server.set("flaky.example", {{"192.0.2.1"}, 1});
  resolver->want({"flaky.example"});
  ASSERT_TRUE(run([&] { return said.contains("flaky.example"); }));
  server.forget("flaky.example");
  ASSERT_TRUE(run([&] { return resolver->failures() >= 1; }));
  EXPECT_EQ(said["flaky.example"].times, 1);
  EXPECT_EQ(said["flaky.example"].addresses, std::vector<std::string>{"192.0.2.1"});
  server.set("flaky.example", {{"192.0.2.3"}, 60});
  EXPECT_TRUE(run([&] { return said["flaky.example"].addresses == std::vector<std::string>{"192.0.2.3"}; }));
}

TEST_F(ResolverTest, ANewResolvConfIsUsed) {
  server.silent = true;
  NameServer second;
  second.set("moved.example", {{"192.0.2.5"}});
  resolver->want({"moved.example"});
  ASSERT_TRUE(run([&] { return server.queries > 0; }));
  dir.write("resolv.conf", "nameserver 127.0.0.1:" + std::to_string(second.port()) + "\n");
  resolver->reload();
  EXPECT_TRUE(run([&] { return said["moved.example"].addresses.size() == 1; }));
}

TEST_F(ResolverTest, ManyAddressesOfOneName) {
  NameServer::Row row;
  for (int i = 0; i < 20; ++i) row.addresses.push_back("192.0.2." + std::to_string(i));
  server.set("many.example", row);
  resolver->want({"many.example"});
  ASSERT_TRUE(run([&] { return said.contains("many.example"); }));
  EXPECT_LE(said["many.example"].addresses.size(), Resolver::kMaxAddresses);
  EXPECT_EQ(said["many.example"].addresses.size(), 20U);
}

TEST_F(ResolverTest, NamesNoLongerWantedAreForgotten) {
  server.set("a.example", {{"192.0.2.1"}, 1});
  resolver->want({"a.example"});
  ASSERT_TRUE(run([&] { return said.contains("a.example"); }));
  resolver->want({});
  auto before = server.queries.load();
  run([] { return false; }, milliseconds(1500));
  EXPECT_EQ(server.queries, before);
}

}  // namespace
}  // namespace sluice::control
